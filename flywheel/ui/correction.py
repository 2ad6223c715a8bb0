"""The panel under the chat that asks what the answer should have been.

Opened by a thumb down for one answer; the service compares, stores and hands on to the reviewers.
"""

from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput, NotFound
from flywheel.services import Services
from flywheel.ui import present, text
from flywheel.ui.shell import PRIVATE, caller, shown

INTO_VIEW = "() => document.querySelector('#correction')?.scrollIntoView({block: 'nearest'})"


class CorrectionPanel:
    """Built inside the chat page; `turn` and `body` are what its rating event sets."""

    def __init__(self, services: Services, conversation: Any, history: Any) -> None:
        self._chat, self._task = services.chat, services.task
        self._conversation, self._history = conversation, history
        is_sql = services.task.name == "sql"
        is_remote = services.settings.is_remote
        self._thanked = text.THANKS_CORRECTION_ELSEWHERE if is_remote else text.THANKS_CORRECTION
        self.turn = gr.State(None)
        with gr.Column(visible=False, elem_id="correction") as self.body:
            gr.Markdown(text.CORRECTION_TITLE)
            self._answer = gr.Textbox(
                label="Corrected answer",
                info=text.CORRECTION_HINT_SQL if is_sql else text.CORRECTION_HINT,
                lines=3,
                max_lines=14,
                elem_id="corrected",
            )
            choices = [(label, key) for key, label in services.task.reasons]
            self._reasons = gr.CheckboxGroup(label="What was wrong", choices=choices, elem_id="reasons")
            self._comment = gr.Textbox(label="Comment", lines=1, max_lines=4, max_length=2000, elem_id="comment")
            with gr.Row():
                self._send = gr.Button("Send correction", variant="primary", scale=2, min_width=170)
                self._try = gr.Button("Try it", min_width=90, visible=is_sql)
                self._cancel = gr.Button("Cancel", min_width=90)
            self._tried = gr.Markdown(elem_id="tried")
        self._thanks = gr.Markdown(visible=False, elem_id="thanks")

    def wire(self, rated: Any) -> None:
        """`rated` is the rating event; once it went well the panel is filled."""
        seen = {"turn": self.turn, "conversation": self._conversation}
        asked = {**seen, "answer": self._answer, "reasons": self._reasons, "comment": self._comment}
        rated.success(
            self.fill,
            inputs_kwargs=seen,
            outputs=[self._answer, self._reasons, self._comment, self._tried],
            api_name="correction_fill",
            **PRIVATE,
        ).success(self.quiet, outputs=[self._thanks], api_name="correction_quiet", **PRIVATE).then(None, js=INTO_VIEW)
        tried: dict[str, Any] = {"turn": self.turn, "answer": self._answer}
        self._try.click(self.attempt, inputs_kwargs=tried, outputs=[self._tried], api_name="correction_try", **PRIVATE)
        self._cancel.click(self.cancel, outputs=[self.turn, self.body], api_name="correction_cancel", **PRIVATE)
        closed = [self.turn, self.body, self._thanks]
        self._send.click(self.send, inputs_kwargs=asked, outputs=closed, api_name="correction_send", **PRIVATE).success(
            self.refresh,
            inputs_kwargs={"conversation": self._conversation},
            outputs=[self._history],
            api_name="correction_shown",
            **PRIVATE,
        )

    @shown
    def fill(self, turn: str | None, conversation: str | None, request: gr.Request) -> tuple[str, list[str], str, str]:
        """The answer as it was, and nothing chosen yet."""
        return self._answer_of(turn, conversation, request) if turn else "", [], "", ""

    @shown
    def quiet(self, request: gr.Request) -> Any:
        """Take the thanks for an earlier correction away."""
        return gr.Markdown(visible=False)

    @shown
    def attempt(self, turn: str | None, answer: str, request: gr.Request) -> str:
        """What the changed statement returns; nothing is stored."""
        return present.tried(self._chat.try_sql(caller(request), _chosen(turn), answer))

    @shown
    def cancel(self, request: gr.Request) -> tuple[None, Any]:
        """Close the panel; the thumb stays."""
        return None, gr.Column(visible=False)

    @shown
    def send(
        self,
        turn: str | None,
        conversation: str | None,
        answer: str,
        reasons: list[str],
        comment: str,
        request: gr.Request,
    ) -> tuple[None, Any, Any]:
        """Store the correction, or, with the answer unchanged, the reasons and the comment."""
        who, about = caller(request), _chosen(turn)
        if answer.strip() != self._answer_of(about, conversation, request).strip():
            self._chat.correct(who, about, answer, reasons, comment)
            thanks = self._thanked
        elif reasons or comment.strip():
            self._chat.rate(who, about, "down", reasons, comment)
            thanks = text.THANKS_RATING
        else:
            raise InvalidInput(text.NOTHING_TO_SEND)
        return None, gr.Column(visible=False), gr.Markdown(value=thanks, visible=True)

    @shown
    def refresh(self, conversation: str | None, request: gr.Request) -> Any:
        """The conversation again, now saying that a correction waits."""
        thread = self._chat.thread(caller(request), conversation)
        return gr.Chatbot(value=present.messages(thread.items), feedback_value=present.thumbs(thread.items))

    def _answer_of(self, turn: str, conversation: str | None, request: gr.Request) -> str:
        items = self._chat.thread(caller(request), conversation).items
        found = next((item.turn.content for item in items if item.turn.id == turn), None)
        if found is None:
            raise NotFound(text.NOT_FOUND)
        return found


def _chosen(turn: str | None) -> str:
    if turn is None:
        raise InvalidInput("No answer is chosen. Click the thumb down under the answer that is wrong.")
    return turn
