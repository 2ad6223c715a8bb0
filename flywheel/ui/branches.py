"""Retry, switching between answers, and asking an earlier question differently: the panel and the events for it.

A click names a turn by its id, which is looked up again; the text of a changed question is a new message and checked
like one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from flywheel.chat import Chat, Thread
from flywheel.comparing import Comparing
from flywheel.errors import InvalidInput
from flywheel.reply import Update
from flywheel.ui import marks
from flywheel.ui.shell import PRIVATE, caller, shown
from flywheel.words.catalogue import say

Follow = Callable[[gr.Request, Iterator[Update]], Iterator[tuple[Any, ...]]]
INTO_VIEW = "() => document.querySelector('#edited textarea')?.focus()"


class Branches:
    """Built inside the chat page, whose `follow` streams an answer and whose `present` shows a thread."""

    def __init__(
        self,
        chat: Chat,
        comparing: Comparing,
        follow: Follow,
        present: Callable[[gr.Request, Thread], tuple[Any, ...]],
    ) -> None:
        self._chat, self._comparing, self._follow, self._present = chat, comparing, follow, present
        self._turn = gr.State(None)
        self.clicked = gr.HTML("", js_on_load=marks.SCRIPT, visible="hidden")
        """Carries what is clicked in the conversation and in the list: see `marks.SCRIPT`."""
        with gr.Column(visible=False, elem_id="edit-question") as self._body:
            self._text = gr.Textbox(
                label=say("chat.changed_question"), info=say("chat.edit_hint"), lines=2, max_lines=8, elem_id="edited"
            )
            with gr.Row():
                self._send = gr.Button(say("chat.ask_again"), variant="primary", scale=2, min_width=150)
                self._cancel = gr.Button(say("chat.keep_question"), min_width=90, elem_id="keep-question")

    def wire(self, answering: dict[str, Any], showing: list[Any]) -> None:
        """`answering`: how the page wires an event that streams an answer; `showing`: what a thread is shown in."""
        streamed = {**answering, "inputs_kwargs": None}
        self.clicked.shown(self.show, outputs=showing, api_name="branch_show", **PRIVATE)
        self.clicked.retried(self.retry, api_name="branch_retry", **streamed)
        editing = [self._turn, self._text, self._body]
        self.clicked.edited(self.edit, outputs=editing, api_name="branch_edit", **PRIVATE).success(None, js=INTO_VIEW)
        self._cancel.click(self.cancel, outputs=editing, api_name="branch_cancel", **PRIVATE)
        sent = {**answering, "inputs_kwargs": {"turn": self._turn, "question": self._text}}
        sent["outputs"] = [*answering["outputs"], self._body]
        self._send.click(self.send, api_name="branch_send", **sent)

    @shown
    def show(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Another answer, or another wording of a question, with what followed it."""
        return self._present(request, self._chat.threads.show(caller(request), pointed(event)))

    @shown
    def retry(self, event: gr.EventData, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Another answer, streamed in the place of the one there was; that one is kept beside it."""
        yield from self._follow(request, self._chat.retry(caller(request), pointed(event)))

    @shown
    def edit(self, event: gr.EventData, request: gr.Request) -> tuple[str, str, Any]:
        """Open the panel with the question as it was asked."""
        asked = self._chat.threads.own_turn(caller(request), pointed(event), "user")
        return asked.id, asked.content, gr.Column(visible=True)

    @shown
    def cancel(self, request: gr.Request) -> tuple[None, str, Any]:
        """Close the panel; nothing is changed."""
        return None, "", gr.Column(visible=False)

    @shown
    def send(self, turn: str | None, question: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Ask the changed question in the place of the earlier one; both are kept."""
        if turn is None:
            raise InvalidInput(say("chat.no_question_chosen"))
        body: Any = gr.Column(visible=False)
        for update in self._follow(request, self._comparing.edit(caller(request), turn, question)):
            yield *update, body
            body = gr.skip()


def pointed(event: gr.EventData) -> str:
    """The id that was clicked; what is no text is no id of anything."""
    data = event._data
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""
