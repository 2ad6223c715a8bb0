"""On the chat page: the question whether Flywheel may learn, and below the chat what a person decides of their words.

Knows the privacy service and where the conversation's id stands; nothing of messages.
"""

import time
from typing import Any

import gradio as gr

from flywheel.errors import TooMany
from flywheel.privacy import Learning
from flywheel.services import Services
from flywheel.ui.shell import PRIVATE, caller, on_open, quietly, shown
from flywheel.words.catalogue import say

DOWNLOAD = "/my-data"
MOST_TABS, KEPT_SECONDS = 10_000, 86_400.0
RELOAD_SOON = "() => setTimeout(() => location.reload(), 2500)"


class Beforehand:
    """The tabs whose next new conversation is left out: chosen before there is a conversation to keep it with."""

    def __init__(self) -> None:
        self._tabs: dict[tuple[str, str], float] = {}

    def choose(self, request: gr.Request, out: bool) -> None:
        """From now on, until the tab shows a conversation or begins anew. Raises TooMany."""
        if not out:
            self._tabs.pop(_tab(request), None)
            return
        now = time.monotonic()
        if len(self._tabs) >= MOST_TABS:
            self._tabs = {tab: at for tab, at in self._tabs.items() if now - at < KEPT_SECONDS}
        if len(self._tabs) >= MOST_TABS:
            raise TooMany(say("privacy.not_yet"))
        self._tabs[_tab(request)] = now

    def holds(self, request: gr.Request) -> bool:
        """Whether this tab's next new conversation is left out."""
        return _tab(request) in self._tabs


class PrivacyPanel:
    """`ask` stands above the message box, `data` at the foot of the page; then `wire`."""

    def __init__(self, services: Services, conversation: Any, beforehand: Beforehand) -> None:
        """`beforehand` keeps what is chosen for a conversation that has not begun."""
        self._privacy, self._beforehand = services.privacy, beforehand
        self._conversation = conversation

    def ask(self) -> None:
        """The question, hidden until it is known that it is open."""
        with gr.Row(visible=False, elem_id="consent", equal_height=True) as self._line:
            self._question = gr.Markdown(say("privacy.question"), elem_id="consent-words")
            self._yes = gr.Button(say("privacy.yes"), size="sm", scale=0, min_width=80, elem_id="consent-yes")
            self._no = gr.Button(say("privacy.no"), size="sm", scale=0, min_width=80, elem_id="consent-no")

    def data(self) -> None:
        """The choice, for everything and for this conversation; download and deletion."""
        with gr.Accordion(say("privacy.your_data"), open=False, elem_id="your-data") as self._body:
            self._all = gr.Checkbox(
                label=say("privacy.learn_all"), info=say("privacy.learn_all_info"), elem_id="learn-all"
            )
            self._left_out = gr.Checkbox(label=say("privacy.leave_out"), elem_id="leave-out")
            gr.HTML(f'<a class="fw-download" href="{DOWNLOAD}" download>{say("privacy.download")}</a>')
            self._delete = gr.Button(say("privacy.delete"), size="sm", elem_id="delete-data")
            with gr.Column(visible=False, elem_id="delete-sure") as self._confirm:
                gr.Markdown(say("privacy.delete_warning"))
                with gr.Row():
                    self._sure = gr.Button(
                        say("privacy.delete_now"), variant="stop", min_width=150, elem_id="delete-now"
                    )
                    self._keep = gr.Button(say("privacy.keep"), min_width=90, elem_id="keep-data")
            self._done = gr.Markdown(visible=False, elem_id="deleted")

    def wire(self, rated: Any) -> None:
        """`rated` is the rating event: after it somebody who has not allowed learning is told so."""
        state = [self._line, self._question, self._all, self._left_out]
        where: dict[str, Any] = {"inputs_kwargs": {"conversation": self._conversation}, "outputs": state, **PRIVATE}
        on_open(self.open, outputs=state, api_name="privacy_open")
        self.wire_after(rated)
        self._yes.click(self.yes, api_name="privacy_yes", **where)
        self._no.click(self.no, api_name="privacy_no", **where)
        self._body.expand(self.show, api_name="privacy_show", **where)
        # Not the question: what is said of a rating just given would be taken back by whichever comes last.
        self._conversation.change(
            self.changed, api_name="privacy_conversation", **{**where, "outputs": [self._all, self._left_out]}
        )
        switched = {**where, "inputs_kwargs": {"allowed": self._all, "conversation": self._conversation}}
        self._all.input(self.switch, api_name="privacy_switch", **switched)
        left = {**where, "inputs_kwargs": {"out": self._left_out, "conversation": self._conversation}}
        self._left_out.input(self.leave_out, api_name="privacy_leave_out", **left)
        asked = [self._confirm]
        self._delete.click(self.doubt, outputs=asked, api_name="privacy_delete", **PRIVATE)
        self._keep.click(self.keep, outputs=asked, api_name="privacy_keep", **PRIVATE)
        self._sure.click(
            self.delete, outputs=[self._confirm, self._done], api_name="privacy_delete_now", **PRIVATE
        ).success(None, js=RELOAD_SOON)

    def wire_after(self, event: Any) -> None:
        """After this event somebody who has not allowed learning is told so."""
        where = {"conversation": self._conversation}
        state = [self._line, self._question, self._all, self._left_out]
        event.success(self.rated, inputs_kwargs=where, outputs=state, api_name="privacy_rated", **PRIVATE)

    @quietly
    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """What holds when the page is opened."""
        return self._state(self._privacy.learning(caller(request)), None, request)

    @quietly
    def show(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """What holds now, in this conversation too."""
        return self._state(self._privacy.learning(caller(request), conversation), conversation, request)

    @quietly
    def changed(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Another conversation is shown, or none: nothing is chosen for a new one then."""
        self._beforehand.choose(request, False)
        return self._state(self._privacy.learning(caller(request), conversation), conversation, request)[2:]

    @quietly
    def rated(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Say that what was just given is kept and not learnt from, where it is so."""
        now = self._privacy.learning(caller(request), conversation)
        line, _, everything, left_out = self._state(now, conversation, request)
        if now.allowed:
            return line, gr.skip(), everything, left_out
        return gr.Row(visible=True), say("privacy.rated"), everything, left_out

    @shown
    def yes(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Learning is allowed."""
        return self.switch(True, conversation, request)

    @shown
    def no(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """It is not; the chat goes on as before."""
        return self.switch(False, conversation, request)

    @shown
    def switch(self, allowed: bool, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Allow learning, or no longer."""
        who = caller(request)
        self._privacy.choose(who, "yes" if allowed else "no")
        return self._state(self._privacy.learning(who, conversation), conversation, request)

    @shown
    def leave_out(self, out: bool, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Leave this conversation out, or no longer."""
        who = caller(request)
        if conversation is not None:
            return self._state(self._privacy.leave_out(who, conversation, bool(out)), conversation, request)
        self._beforehand.choose(request, bool(out))
        return self._state(self._privacy.learning(who), None, request)

    @shown
    def doubt(self, request: gr.Request) -> Any:
        """Ask once more."""
        return gr.Column(visible=True)

    @shown
    def keep(self, request: gr.Request) -> Any:
        """Nothing is deleted."""
        return gr.Column(visible=False)

    @shown
    def delete(self, request: gr.Request) -> tuple[Any, Any]:
        """Erase everything of the caller."""
        counts = self._privacy.delete_own(caller(request))
        words = say("privacy.deleted", turns=counts["turns"])
        return gr.Column(visible=False), gr.Markdown(value=words, visible=True)

    def _state(self, now: Learning, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Question, its words, the choice for everything, the choice for this conversation."""
        left_out = self._beforehand.holds(request) if conversation is None else not now.conversation
        return gr.Row(visible=now.to_ask), say("privacy.question"), now.allowed, left_out


def _tab(request: gr.Request) -> tuple[str, str]:
    return caller(request).id, request.session_hash or ""
