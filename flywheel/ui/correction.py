"""The panel under the chat that asks what was wrong, and what the answer should have been.

Opened by a thumb down for one answer. A reason counts as soon as it is ticked; a correction when it is sent, after the
person saw what it changes and, for a statement, what it returns beside what the answer had returned. The services
compare, run, store and hand on to the reviewers.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from flywheel.drafts import Trial
from flywheel.errors import InvalidInput, NotFound
from flywheel.services import Services
from flywheel.tasks.heads import head
from flywheel.tasks.sql import SqlOutcome
from flywheel.threads import Thread, ThreadItem
from flywheel.ui import markup, present
from flywheel.ui.shell import PRIVATE, caller, shown
from flywheel.worddiff import Part
from flywheel.words.catalogue import say, say_count

INTO_VIEW = "() => document.querySelector('#correction')?.scrollIntoView({block: 'nearest'})"
ROWS_BESIDE = 10
"""Rows of each result that stand side by side."""


class CorrectionPanel:
    """Built inside the chat page; `turn` and `body` are what its rating event sets."""

    def __init__(self, services: Services, conversation: Any, history: Any) -> None:
        self._chat, self._drafts, self._standins = services.chat, services.drafts, services.standins
        self._conversation, self._history = conversation, history
        self._privacy = services.privacy
        is_sql = services.task.name == "sql"
        is_remote = services.settings.is_remote
        self._thanked = say("correction.thanks_elsewhere") if is_remote else say("correction.thanks")
        self.turn = gr.State(None)
        with gr.Column(visible=False, elem_id="correction") as self.body:
            choices = [(say(f"reasons.{key}"), key) for key, _ in services.task.reasons]
            self._reasons = gr.CheckboxGroup(label=say("correction.reasons"), choices=choices, elem_id="reasons")
            self._noted = gr.HTML(elem_id="noted")
            hint = say("correction.hint_sql") if is_sql else say("correction.hint")
            # Not the box's `info`, which would become a part of its name.
            gr.HTML(f'<p class="fw-when">{hint}</p>')
            self._answer = gr.Textbox(label=say("correction.label"), lines=3, max_lines=14, elem_id="corrected")
            self._diff = gr.HTML(elem_id="difference")
            self._comment = gr.Textbox(
                label=say("correction.comment"), lines=1, max_lines=4, max_length=2000, elem_id="comment"
            )
            self._tried = gr.HTML(elem_id="tried")
            with gr.Row():
                self._send = gr.Button(say("correction.send"), variant="primary", scale=2, min_width=170)
                self._try = gr.Button(say("correction.try"), min_width=90, visible=is_sql)
                self._close = gr.Button(say("correction.close"), min_width=90, elem_id="close-correction")
        # Not Markdown, whose links open a window of their own.
        self._thanks = gr.HTML(visible=False, elem_id="thanks")
        self._sent = gr.State(None)
        self._go_on = gr.Button(say("correction.go_on"), visible=False, size="sm", elem_id="go-on")
        # A model that reads the last question alone would not see it.
        self._may_go_on = not services.task.single_turn

    def wire(self, rated: Any) -> None:
        """`rated` is the rating event; once it went well the panel is filled."""
        seen = {"turn": self.turn, "conversation": self._conversation}
        said: dict[str, Any] = {"turn": self.turn, "reasons": self._reasons, "comment": self._comment}
        typed: dict[str, Any] = {"turn": self.turn, "answer": self._answer}
        filled = [self.body, self._answer, self._reasons, self._comment, self._noted, self._diff, self._tried]
        rated.success(self.fill, inputs_kwargs=seen, outputs=filled, api_name="correction_fill", **PRIVATE).success(
            self.quiet, outputs=[self._thanks, self._go_on], api_name="correction_quiet", **PRIVATE
        ).then(None, js=INTO_VIEW)
        self._reasons.input(
            self.note, inputs_kwargs=said, outputs=[self._noted], api_name="correction_reasons", **PRIVATE
        )
        # Not `input`: not every way to fill a box sends that. While one difference is being made the next waits, and
        # only the newest is made after it.
        self._answer.change(
            self.compare, inputs_kwargs=typed, outputs=[self._diff], api_name="correction_diff",
            trigger_mode="always_last", **PRIVATE,
        )  # fmt: skip
        self._try.click(self.attempt, inputs_kwargs=typed, outputs=[self._tried], api_name="correction_try", **PRIVATE)
        self._close.click(self.close, outputs=[self.turn, self.body], api_name="correction_close", **PRIVATE)
        self._conversation.change(
            self.leave, inputs_kwargs=seen, outputs=[self.turn, self.body], api_name="correction_leave", **PRIVATE
        )
        closed = [self.turn, self.body, self._thanks, self._go_on, self._sent]
        self._go_on.click(
            self.go_on, inputs_kwargs={"sent": self._sent}, outputs=[self._history, self._conversation, self._go_on],
            api_name="correction_go_on", **PRIVATE,
        )  # fmt: skip
        asked = {**seen, **said, "answer": self._answer}
        self._send.click(self.send, inputs_kwargs=asked, outputs=closed, api_name="correction_send", **PRIVATE).success(
            self.refresh,
            inputs_kwargs={"conversation": self._conversation},
            outputs=[self._history],
            api_name="correction_shown",
            **PRIVATE,
        )

    @shown
    def fill(self, turn: str | None, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """The answer as it was, and nothing chosen yet: another thumb has none of the old reasons.

        Shown only now: what is ticked before would be taken away again.
        """
        answer = self._answer_of(turn, conversation, request) if turn else ""
        return gr.Column(visible=bool(turn)), answer, [], "", "", "", ""

    @shown
    def quiet(self, request: gr.Request) -> tuple[Any, Any]:
        """Take the thanks for an earlier correction away."""
        return gr.HTML(visible=False), gr.Button(visible=False)

    @shown
    def note(self, turn: str | None, reasons: list[str], comment: str, request: gr.Request) -> str:
        """Keep the reasons as they are ticked: the second click is the last one needed."""
        self._chat.rate(caller(request), _chosen(turn), "down", reasons, comment)
        return markup.note(say("correction.noted") if reasons else "")

    @shown
    def compare(self, turn: str | None, answer: str, request: gr.Request) -> str:
        """What the text in the box changes; nothing is stored."""
        return difference_view(self._drafts.diff(caller(request), turn, answer)) if turn else ""

    @shown
    def attempt(self, turn: str | None, answer: str, request: gr.Request) -> str:
        """What the changed statement returns, beside what the answer had returned; nothing is stored."""
        return trial_view(self._drafts.attempt(caller(request), _chosen(turn), answer))

    @shown
    def close(self, request: gr.Request) -> tuple[None, Any]:
        """Close the panel; the thumb and the reasons stay."""
        return None, gr.Column(visible=False)

    @shown
    def leave(self, turn: str | None, conversation: str | None, request: gr.Request) -> tuple[Any, Any]:
        """Close the panel where its answer is no longer on the page: another conversation is shown."""
        if turn is None:
            return gr.skip(), gr.skip()
        # Without a conversation the latest would be read, which is not what a new chat shows.
        if conversation and any(item.turn.id == turn for item in self._items(conversation, request)):
            return gr.skip(), gr.skip()
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
    ) -> tuple[Any, ...]:
        """Store the correction, or, with the answer unchanged, the reasons and the comment."""
        who, about, went = caller(request), _chosen(turn), False
        if answer.strip() != self._answer_of(about, conversation, request).strip():
            _, example = self._chat.correct(who, about, answer, reasons, comment)
            learning = self._privacy.learning(who, example.conversation_id)
            thanks = self._thanked if learning.allowed and learning.conversation else say("correction.thanks_held")
            went = self._may_go_on
        elif reasons or comment.strip():
            self._chat.rate(who, about, "down", reasons, comment)
            thanks = say("correction.thanks_rating")
        else:
            raise InvalidInput(say("correction.nothing_to_send"))
        told = gr.HTML(value=f"<p role='status'>{thanks}</p>", visible=True)
        return None, gr.Column(visible=False), told, gr.Button(visible=went), about

    @shown
    def go_on(self, sent: str | None, request: gr.Request) -> tuple[Any, str | None, Any]:
        """The correction that was sent last, in the place of the answer; what is asked next follows it."""
        thread = self._standins.go_on(caller(request), _chosen(sent))
        return _history(thread), thread.place, gr.Button(visible=False)

    @shown
    def refresh(self, conversation: str | None, request: gr.Request) -> Any:
        """The conversation again, now saying that a correction waits."""
        return _history(self._chat.thread(caller(request), conversation))

    def _answer_of(self, turn: str, conversation: str | None, request: gr.Request) -> str:
        found = next((item.turn.content for item in self._items(conversation, request) if item.turn.id == turn), None)
        if found is None:
            raise NotFound(say("chat.not_found"))
        return found

    def _items(self, conversation: str | None, request: gr.Request) -> Sequence[ThreadItem]:
        return self._chat.thread(caller(request), conversation).items


def difference_view(parts: Sequence[Part]) -> str:
    """What a correction changes, word by word."""
    return (
        f"<h4>{say('correction.changes')}</h4>{markup.diff(parts)}"
        if parts
        else f'<p class="fw-when">{say("correction.unchanged")}</p>'
    )


def trial_view(trial: Trial) -> str:
    """Both results, side by side where there is room, and whether they differ."""
    verdict = ""
    if trial.same is not None:
        verdict = (
            markup.note(say("correction.same_result"), "warn")
            if trial.same
            else markup.note(say("correction.other_result"), "good")
        )
    before = _result(trial.before, trial.before_count) if trial.before else markup.note(say("correction.not_run"))
    after = _result(trial.after, len(trial.after.rows))
    sides = _side(say("correction.its_result"), before) + _side(say("correction.your_result"), after)
    return f'{verdict}<div class="fw-beside">{sides}</div>'


def _side(title: str, inner: str) -> str:
    return f'<section aria-label="{escape(title)}"><h4>{escape(title)}</h4>{inner}</section>'


def _history(thread: Thread) -> Any:
    return gr.Chatbot(value=present.messages(thread.items), feedback_value=present.thumbs(thread.items))


def _result(outcome: SqlOutcome, count: int) -> str:
    if not outcome.columns or not outcome.rows:
        return markup.note(outcome.sentence or outcome.error or outcome.reason or say("chat.no_answer"))
    caption = say_count("words.rows", count)
    if count > ROWS_BESIDE:
        caption = say("correction.first_rows", rows=caption, shown=ROWS_BESIDE)
        caption = say("correction.more_rows", rows=caption) if outcome.truncated else caption
    return markup.table([head(name) for name in outcome.columns], outcome.rows[:ROWS_BESIDE], caption)


def _chosen(turn: str | None) -> str:
    if turn is None:
        raise InvalidInput(say("correction.none_chosen"))
    return turn
