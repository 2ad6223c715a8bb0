"""The chat page: ask, watch the answer come, stop it, rate it.

The conversation lives in the store. What the browser sends back (an index, a thumb) only looks up our own list of its
turns; the text in its messages is never read.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr

from flywheel.chat import Thread, ThreadItem
from flywheel.errors import InvalidInput, NotFound
from flywheel.results import Results
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import learns, marks, present
from flywheel.ui.answering import Answering
from flywheel.ui.branches import Branches
from flywheel.ui.conversations import ConversationList
from flywheel.ui.correction import CorrectionPanel
from flywheel.ui.corrections import LearnedNotice
from flywheel.ui.privacy import Beforehand, PrivacyPanel
from flywheel.ui.shell import PRIVATE, caller, on_open, quietly, shown
from flywheel.ui.two_answers import TwoAnswers
from flywheel.words.catalogue import say

BANNER_SECONDS = 2.0
THUMBS: dict[Any, str | None] = {True: "up", "Like": "up", False: "down", "Dislike": "down", "": None}
CHATS_AT_ONCE = 40
EXAMPLES = 4
"""Questions offered on the empty page: as many as a phone shows."""


class ChatPage:
    """Conversation, composer, correction panel, banner."""

    name, path, role = "chat", "/", Role.GUEST

    def __init__(self, services: Services) -> None:
        self._services = services
        self._chat, self._results = services.chat, Results(services.chat)
        self._is_sql = services.task.name == "sql"
        self._beforehand = Beforehand()
        self.answering = Answering(services, _showing)

    def build(self) -> None:
        """Lay out the page and wire it."""
        with gr.Row(elem_id="chat-layout"):
            chats = ConversationList(self._chat, self._present)
            with gr.Column(elem_id="chat-main"):
                self._main(chats)

    def _main(self, chats: ConversationList) -> None:
        conversation = gr.State(None)
        with gr.Row(elem_classes="fw-chat-head"):
            gr.Button(say("history.chats"), size="sm", scale=0, min_width=70, elem_id="open-history").click(
                None, js=marks.OPEN_LIST
            )
            gr.Markdown(f"# {say('app.title')}", elem_classes="fw-title")
            new = gr.Button(say("history.new"), size="sm", scale=0, min_width=110, elem_id="new-chat")
        banner = gr.Markdown(visible=False, elem_id="banner")
        learned = LearnedNotice(self._services)
        history = self._chatbot()
        with gr.Accordion(say("chat.all_rows"), open=False, visible=False, elem_id="all-rows") as more:
            rows = gr.Dataframe(interactive=False, show_label=False, max_height=320, wrap=True)
        panel = CorrectionPanel(self._services, conversation, history)
        branches = Branches(self._chat, self._services.comparing, self.answering.follow, self._present)
        privacy = PrivacyPanel(self._services, conversation, self._beforehand)
        privacy.ask()
        message = self._composer()
        learned.wire(message)
        privacy.data()
        gr.HTML(learns.link(), elem_id="learns-link")
        showing = [history, conversation, more]
        answering = self._wire(message, showing, new)
        branches.wire(answering, showing)
        chats.wire(branches.clicked, conversation, showing)
        where: dict[str, Any] = {"conversation": conversation}
        more.expand(self.rows, inputs_kwargs=where, outputs=[rows], api_name="chat_rows", **PRIVATE)
        opened = [panel.turn, panel.body]
        rated = history.like(self.rate, inputs_kwargs=where, outputs=opened, api_name="chat_rate", **PRIVATE)
        panel.wire(rated)
        privacy.wire(rated)
        privacy.wire_after(TwoAnswers(self._services.comparing, self._present).wire(branches.clicked, showing))
        self._wire_banner(banner)

    def _chatbot(self) -> gr.Chatbot:
        return gr.Chatbot(
            elem_id="chat",
            label=say("chat.conversation"),
            show_label=False,
            scale=1,
            height=None,
            buttons=[],
            layout="bubble",
            latex_delimiters=[],
            group_consecutive_messages=False,
            placeholder=say("chat.welcome_sql") if self._is_sql else say("chat.welcome"),
            examples=[{"text": question} for question in self._services.task.examples()[:EXAMPLES]],
        )

    def _composer(self) -> gr.Textbox:
        return gr.Textbox(
            label=say("chat.message"),
            show_label=False,
            placeholder=say("chat.placeholder_sql") if self._is_sql else say("chat.placeholder"),
            lines=1,
            max_lines=8,
            autofocus=True,
            submit_btn=say("chat.send"),
            elem_id="message",
        )

    def _wire(self, message: Any, showing: list[Any], new: Any) -> dict[str, Any]:
        """Returns how an event that streams an answer is wired."""
        history, conversation, _ = showing
        answering: dict[str, Any] = {
            "inputs_kwargs": {"message": message, "conversation": conversation},
            "outputs": [message, *showing],
            "concurrency_limit": CHATS_AT_ONCE,
            **PRIVATE,
        }
        message.submit(self.send, api_name="chat_send", **answering)
        history.example_select(self.example, outputs=[message], api_name="chat_example", **PRIVATE).success(
            self.send, api_name="chat_example_send", **answering
        )
        message.stop(self.answering.stop, api_name="chat_stop", **PRIVATE)
        new.click(self.new, outputs=showing, api_name="chat_new", **PRIVATE)
        on_open(self.open, outputs=showing, api_name="chat_open")
        return answering

    def _wire_banner(self, banner: Any) -> None:
        timer = gr.Timer(BANNER_SECONDS)
        on_open(self.banner, outputs=[banner, timer], api_name="chat_banner_open")
        timer.tick(self.banner, outputs=[banner, timer], api_name="chat_banner_tick", **PRIVATE)

    @shown
    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """The visitor's latest conversation, with its thumbs."""
        return _showing(self._chat.thread(caller(request), None))

    @shown
    def new(self, request: gr.Request) -> tuple[Any, ...]:
        """An empty page; the conversation before stays stored, and an answer under way there is stopped."""
        return self._present(request, Thread(None, []))

    def _present(self, request: gr.Request, thread: Thread) -> tuple[Any, ...]:
        """Turn this tab to something else: what it is writing is stopped and kept."""
        self.answering.leave(request)
        return _showing(thread)

    @shown
    def example(self, event: gr.SelectData, request: gr.Request) -> str:
        """A question offered on the empty page, as if it had been typed."""
        chosen = event.value.get("text") if isinstance(event.value, dict) else None
        return str(chosen or "")

    @shown
    def send(self, message: str, conversation: str | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Answer, streamed. The box is emptied once the question is stored; what is typed meanwhile stays."""
        left_out = conversation is None and self._beforehand.holds(request)
        replies = self._services.comparing.reply(caller(request), conversation, message, leave_out=left_out)
        yield from self.answering.follow(request, replies, value="")

    @shown
    def rate(self, conversation: str | None, event: gr.LikeData, request: gr.Request) -> tuple[str | None, Any]:
        """Store the thumb; after a thumb down the correction panel is filled for that answer, then shown."""
        who = caller(request)
        turn_id = answer_at(self._chat.thread(who, conversation), event.index)
        if not isinstance(event.liked, bool | str) or event.liked not in THUMBS:
            raise InvalidInput(say("chat.no_rating", given=event.liked))
        rating = THUMBS[event.liked]
        self._chat.rate(who, turn_id, rating)
        return turn_id if rating == "down" else None, gr.Column(visible=False)

    @shown
    def rows(self, conversation: str | None, request: gr.Request) -> Any:
        """All rows of the last answer (at most 1000); asked again where fewer were kept."""
        who = caller(request)
        last = _last(self._chat.thread(who, conversation))
        if last is None:
            raise NotFound(say("chat.not_found"))
        return _frame(*self._results.table(who, last.turn.id))

    @quietly
    def banner(self, request: gr.Request) -> tuple[Any, Any]:
        """What a visitor should know now; asked again until the model answers."""
        ready, words = self._services.engine.ready()
        lines = [*self._services.database.report.messages, *filter(None, [self._services.task.notice])]
        if caller(request).role is Role.GUEST and not self._services.settings.guest_chat:
            lines.append(say("chat.guests_may_not"))
        if not ready:
            lines.insert(0, words)
        shown_text = "\n\n".join(escape(line, quote=False) for line in lines)
        return gr.Markdown(value=shown_text, visible=bool(lines)), gr.Timer(active=not ready)


def answer_at(thread: Thread, index: Any) -> str:
    """The id of the answer shown at this place. Raises NotFound for any other place."""
    items = present.visible(thread.items)
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(items):
        turn = items[index].turn
        if turn.role == "assistant":
            return turn.id
    raise NotFound(say("chat.not_found"))


def _history(thread: Thread) -> Any:
    return gr.update(value=present.messages(thread.items), feedback_value=present.thumbs(thread.items))


def _showing(thread: Thread) -> tuple[Any, ...]:
    """What a thread is shown in: the messages, the tab's place, all rows of the last answer."""
    return _history(thread), thread.place, _more(thread)


def _last(thread: Thread) -> ThreadItem | None:
    items = present.visible(thread.items)
    return items[-1] if items and items[-1].turn.role == "assistant" else None


def _more(thread: Thread) -> Any:
    count = present.more_rows(_last(thread))
    return gr.update(label=say("chat.all_of", count=count), visible=count > 0, open=False)


def _frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    return gr.Dataframe(value={"headers": list(columns), "data": [list(row) for row in rows]})
