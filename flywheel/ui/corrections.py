"""Your corrections: what became of each, on a page of its own; and, in the chat, the notice that some were learned.

Knows no records but those of the service: what a person wrote is theirs alone to see here.
"""

from html import escape
from typing import Any

import gradio as gr

from flywheel.learned import Lesson, Lessons
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import PRIVATE, caller, on_open, quietly, shown
from flywheel.ui.wiring import on_load, wire
from flywheel.worddiff import word_diff
from flywheel.words.catalogue import say

PAGE = 20
LONG = 600
"""Characters from which an answer is folded."""


class CorrectionsPage:
    """A person's own corrections, newest first."""

    name, path, role = "corrections", "/corrections", Role.GUEST

    def __init__(self, services: Services) -> None:
        self._learned = services.learned

    def build(self) -> None:
        """Lay out the page and wire it."""
        offset, view = gr.State(0), gr.HTML(elem_id="corrections")
        with gr.Row():
            newer = gr.Button(say("lessons.newer"), visible=False, size="sm", elem_id="newer")
            older = gr.Button(say("lessons.older"), visible=False, size="sm", elem_id="older")
        page = [view, offset, newer, older]
        on_load(self.open, {}, page, "corrections_open")
        wire(newer.click, self.newer, {"offset": offset}, page, "corrections_newer")
        wire(older.click, self.older, {"offset": offset}, page, "corrections_older")

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """The newest; whoever sees them has been told what was learned."""
        who = caller(request)
        if news := self._learned.news(who):
            self._learned.told(who, news.version)
        return self._page(0, request)

    def newer(self, offset: int, request: gr.Request) -> tuple[Any, ...]:
        """The page before."""
        return self._page(max(0, offset - PAGE), request)

    def older(self, offset: int, request: gr.Request) -> tuple[Any, ...]:
        """The page after."""
        return self._page(offset + PAGE, request)

    def _page(self, offset: int, request: gr.Request) -> tuple[Any, ...]:
        found = self._learned.mine(caller(request), limit=PAGE, offset=offset)
        more = offset + len(found.lessons) < found.total
        return listing(found), offset, gr.Button(visible=offset > 0), gr.Button(visible=more)


class LearnedNotice:
    """One line over the chat for a person whose corrections the version that answers has learned.

    Built where it stands in the chat page; `wire` follows once the composer is there.
    """

    def __init__(self, services: Services) -> None:
        self._learned = services.learned
        self._version = gr.State(None)
        with gr.Row(visible=False, elem_id="learned") as self._line:
            self._words = gr.HTML()
            self._dismiss = gr.Button(
                say("lessons.dismiss"), size="sm", scale=0, min_width=90, elem_id="learned-dismiss"
            )

    def wire(self, message: Any) -> None:
        """`message` is the composer: a question to be asked again is put into it."""
        shown_on = [self._line, self._words, self._version]
        on_open(self.open, outputs=shown_on, api_name="learned_open")
        self._dismiss.click(
            self.dismiss,
            inputs_kwargs={"version": self._version},
            outputs=[self._line],
            api_name="learned_dismiss",
            **PRIVATE,
        )
        on_open(self.again, outputs=[message], api_name="learned_again")

    @quietly
    def open(self, request: gr.Request) -> tuple[Any, str, str | None]:
        """The news there is; the line stays until it is dismissed, or the corrections are looked at."""
        news = self._learned.news(caller(request))
        if news is None:
            return gr.skip(), "", None
        words = say("lessons.learned", version=news.version, count=news.count)
        link = f'<a href="/corrections">{say("lessons.title")}</a>'
        return gr.Row(visible=True), f'<p role="status">{escape(words)} {link}</p>', news.version

    @shown
    def dismiss(self, version: str | None, request: gr.Request) -> Any:
        """Put the notice away; this version is not told of again."""
        if version is not None:
            self._learned.told(caller(request), version)
        return gr.Row(visible=False)

    @quietly
    def again(self, request: gr.Request) -> Any:
        """The question of `/?again=<turn>` of one's own, in the composer; it is the person who sends it."""
        turn_id = request.query_params.get("again")
        return self._learned.question(caller(request), str(turn_id)) if turn_id else gr.skip()


def listing(found: Lessons) -> str:
    """The corrections of one page, after how many stand where."""
    if not found.total:
        return markup.empty(say("lessons.none"), (say("links.chat"), "/"))
    pairs = [(say(f"lessons.state.{state}"), number) for state, number in found.counts.items()]
    return markup.facts(pairs) + "".join(card(lesson, found.served) for lesson in found.lessons)


def card(lesson: Lesson, served: str) -> str:
    """One correction: the question, where it stands, what it changes, and what is answered now."""
    approved = ""
    if lesson.approved is not None:
        approved = f"<h4>{say('lessons.approved_as')}</h4>{markup.code(lesson.approved)}"
    after = (
        f"<h4>{say('lessons.now_answers', version=served)}</h4>{markup.code(lesson.after)}"
        if lesson.after is not None
        else ""
    )
    again = ""
    if lesson.state in ("learned", "frozen"):
        again = f'<p><a href="/?again={escape(lesson.turn_id)}">{say("lessons.ask_again", version=served)}</a></p>'
    return (
        f'<article class="fw-lesson"><h3>{escape(_short(lesson.question))}</h3>'
        f'<p class="fw-way"><span class="fw-badge">{escape(say(f"lessons.state.{lesson.state}"))}</span> '
        f"{escape(standing(lesson, served))}</p>"
        f"{_changes(lesson)}{approved}{after}{again}"
        f'<p class="fw-when">{lesson.given:%d %b %Y %H:%M} UTC</p></article>'
    )


def standing(lesson: Lesson, served: str) -> str:
    """Where a correction stands, in a sentence."""
    values = {"dataset": lesson.dataset, "version": lesson.version}
    values["reason"] = lesson.reason or say("lessons.no_reason")
    told = say(f"lessons.words.{lesson.state}", **values)
    if lesson.state == "frozen" and lesson.side != "train":
        told = say("lessons.checks", **values)
    if lesson.state == "approved" and lesson.reason:
        told = say("lessons.left_out", **values)
    if lesson.state == "learned" and not lesson.serving:
        told += " " + say("lessons.not_serving", served=served)
    if lesson.state == "learned" and lesson.held:
        told += " " + say("lessons.held")
    return told


def _changes(lesson: Lesson) -> str:
    by = f" ({lesson.answered_by})" if lesson.answered_by else ""
    diff = markup.diff(word_diff(lesson.answer, lesson.corrected))
    shown = f"<h4>{say('lessons.changed')}{escape(by)}</h4>{diff}"
    if len(lesson.answer) + len(lesson.corrected) > LONG:
        return f"<details><summary>{say('lessons.changed')}{escape(by)}</summary>{diff}</details>"
    return shown


def _short(question: str) -> str:
    words = " ".join(question.split())
    return words if len(words) <= 200 else words[:199] + "…"
