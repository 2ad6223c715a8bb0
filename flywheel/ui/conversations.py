"""The list of one's conversations beside the chat: search, open, rename, delete.

On a phone it opens over the page. What is listed comes from the store each time; a click names a conversation by its
id, which is looked up again.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from flywheel.chat import Chat, Thread
from flywheel.errors import NotFound
from flywheel.threads import MOST_LISTED, MOST_NAME
from flywheel.ui import marks
from flywheel.ui.branches import pointed
from flywheel.ui.shell import PRIVATE, caller, on_open, quietly, shown
from flywheel.words.catalogue import say


class ConversationList:
    """Built inside the chat page, whose `present` shows a thread."""

    def __init__(self, chat: Chat, present: Callable[[gr.Request, Thread], tuple[Any, ...]]) -> None:
        self._chat, self._present = chat, present
        with gr.Column(elem_id="history", scale=0, min_width=250):
            self._search = gr.Textbox(
                label=say("history.search"),
                show_label=False,
                container=False,
                placeholder=say("history.search"),
                max_lines=1,
                elem_id="search",
            )
            self._list = gr.HTML(elem_id="conversations")
            with gr.Row(elem_id="history-acts"):
                self._rename = gr.Button(say("history.rename"), size="sm", min_width=70, elem_id="rename")
                self._delete = gr.Button(say("history.delete"), size="sm", min_width=70, elem_id="delete")
            with gr.Column(visible=False, elem_id="renaming") as self._renaming:
                self._title = gr.Textbox(
                    label=say("history.new_title"), max_lines=1, max_length=MOST_NAME, elem_id="new-title"
                )
                with gr.Row():
                    self._save = gr.Button(say("history.save_title"), variant="primary", size="sm", min_width=90)
                    self._keep = gr.Button(say("history.keep_title"), size="sm", min_width=90, elem_id="keep-title")
            with gr.Column(visible=False, elem_id="deleting") as self._deleting:
                gr.Markdown(say("history.delete_asks"))
                with gr.Row():
                    self._sure = gr.Button(say("history.delete_this"), variant="stop", size="sm", min_width=90)
                    self._stay = gr.Button(say("history.keep_chat"), size="sm", min_width=90, elem_id="keep-chat")

    def wire(self, clicked: Any, conversation: Any, showing: list[Any]) -> None:
        """`clicked` carries what is clicked in the list; `showing` is what a thread is shown in."""
        asked: dict[str, Any] = {"search": self._search, "conversation": conversation}
        listing: dict[str, Any] = {"inputs_kwargs": asked, "outputs": [self._list]}
        on_open(self.read, api_name="history_open", **listing)
        conversation.change(self.read, api_name="history_follow", **listing, **PRIVATE)
        # A box of one line tells no `input`.
        self._search.change(self.read, api_name="history_search", trigger_mode="always_last", **listing, **PRIVATE)
        clicked.older(self.older, api_name="history_older", **listing, **PRIVATE)
        clicked.opened(self.choose, outputs=showing, api_name="history_choose", **PRIVATE)
        panels, where = [self._renaming, self._deleting], {"conversation": conversation}
        self._rename.click(
            self.rename_asked, inputs_kwargs=where, outputs=[self._title, *panels], api_name="history_rename", **PRIVATE
        )
        self._delete.click(self.delete_asked, inputs_kwargs=where, outputs=panels, api_name="history_delete", **PRIVATE)
        for number, button in enumerate((self._keep, self._stay)):
            button.click(self.closed, outputs=panels, api_name=f"history_keep_{number + 1}", **PRIVATE)
        titled = {**asked, "title": self._title}
        gr.on([self._save.click, self._title.submit], self.rename, inputs_kwargs=titled,
              outputs=[self._list, *panels], api_name="history_save", **PRIVATE)  # fmt: skip
        self._sure.click(
            self.delete, inputs_kwargs=where, outputs=[*showing, *panels], api_name="history_sure", **PRIVATE
        )

    @quietly
    def read(self, search: str, conversation: str | None, request: gr.Request) -> str:
        """The newest conversations, or those that hold what is searched for; the one shown is marked."""
        return self._page(search, conversation, None, request)

    @shown
    def older(self, search: str, conversation: str | None, event: gr.EventData, request: gr.Request) -> str:
        """The next page of the list, or the first again."""
        return self._page(search, conversation, pointed(event) or None, request)

    @shown
    def choose(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Show a conversation; a reload and another device show it then, too."""
        return self._present(request, self._chat.threads.show(caller(request), pointed(event)))

    @shown
    def rename_asked(self, conversation: str | None, request: gr.Request) -> tuple[str, Any, Any]:
        """Ask for the title, with the present one filled in."""
        who = caller(request)
        shown_now, _ = self._chat.threads.at(who, conversation or "")
        return shown_now.title, gr.Column(visible=True), gr.Column(visible=False)

    @shown
    def delete_asked(self, conversation: str | None, request: gr.Request) -> tuple[Any, Any]:
        """Ask whether it is meant."""
        if conversation is None:
            raise NotFound(say("history.none_shown"))
        return gr.Column(visible=False), gr.Column(visible=True)

    @shown
    def closed(self, request: gr.Request) -> tuple[Any, Any]:
        """Nothing is renamed or deleted."""
        return gr.Column(visible=False), gr.Column(visible=False)

    @shown
    def rename(self, search: str, conversation: str | None, title: str, request: gr.Request) -> tuple[Any, ...]:
        """Give the conversation shown another title."""
        who = caller(request)
        found, _ = self._chat.threads.at(who, conversation or "")
        self._chat.threads.rename(who, found.id, title)
        return self._page(search, conversation, None, request), gr.Column(visible=False), gr.Column(visible=False)

    @shown
    def delete(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Take the conversation shown out of the list, for good; the page is empty then."""
        who = caller(request)
        found, _ = self._chat.threads.at(who, conversation or "")
        self._chat.threads.delete(who, found.id)
        empty = self._present(request, Thread(None, []))
        return *empty, gr.Column(visible=False), gr.Column(visible=False)

    def _page(self, search: str, conversation: str | None, before: str | None, request: gr.Request) -> str:
        who = caller(request)
        listed = self._chat.conversations(who, search, before=before)
        current = self._chat.threads.at(who, conversation)[0].id if conversation else None
        return marks.conversations(
            listed, current, search=search, older=before is not None, full=len(listed) == MOST_LISTED
        )
