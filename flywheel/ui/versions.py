"""The page `/versions`: scores with intervals, the gate's verdict, answers side by side, promote and roll back."""

from html import escape
from typing import Any

import gradio as gr

from flywheel.answers import Answer, AnswerPage
from flywheel.errors import InvalidInput, NotFound
from flywheel.privacy import WithdrawnFrom
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.standing import Measure, SuiteView, VersionView
from flywheel.ui import markup
from flywheel.ui.base import BasePanel
from flywheel.ui.charts import Interval, score_chart
from flywheel.ui.publish import PublishPanel
from flywheel.ui.shell import caller, elsewhere, inform, strip
from flywheel.ui.wiring import on_load, wire
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

SUITES = ("corrected", "general")
SHOWN_SUITES = (*SUITES, "pinned")
VERDICT_KINDS = {"passed": "good", "refused": "bad", "undecided": "warn"}
PAGE = 20
COLUMNS = ("version", "state", "dataset", "run", *SUITES, "gate", "form", "published")


class VersionsPage:
    """Candidates are compared here, and one is served."""

    name, path, role = "versions", "/versions", Role.OWNER

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the page and wire it."""
        strip(self._services)
        if self._services.settings.is_remote:
            on_load(self.record, {}, [gr.HTML(elem_id="elsewhere"), gr.HTML(elem_id="versions")], "versions_open")
            return
        serving = gr.HTML(elem_id="serving")
        table = gr.HTML(elem_id="versions")
        with gr.Column(visible="hidden") as body:
            version = gr.Dropdown(label=say("versions.one"), choices=[], elem_id="version")
            with gr.Row(elem_classes="fw-split"):
                with gr.Column(scale=3, min_width=320):
                    charts = gr.HTML(elem_id="charts")
                with gr.Column(scale=2, min_width=280):
                    verdict = gr.HTML(elem_id="verdict")
                    with gr.Row():
                        promote = gr.Button(
                            say("versions.promote"), variant="primary", interactive=False, elem_id="promote"
                        )
                        rollback = gr.Button(say("versions.roll_back"), elem_id="rollback")
                    with gr.Accordion(say("versions.override"), open=False):
                        reason = gr.Textbox(
                            label=say("versions.reason"), placeholder=say("versions.reason_hint"), elem_id="override"
                        )
                        override = gr.Button(say("versions.promote_for"), variant="stop", elem_id="promote-override")
            PublishPanel(self._services).build(version)
            with gr.Row():
                suite = gr.Radio(
                    label=say("versions.side_by_side"),
                    choices=[(say(f"versions.column.{name}"), name) for name in SHOWN_SUITES],
                    value="corrected",
                    elem_id="suite",
                )
                page = gr.Number(label=say("words.page"), value=1, minimum=1, precision=0, elem_id="answers-page")
            answers = gr.HTML(elem_id="answers")
        BasePanel(self._services).build()
        which, fresh = {"version": version}, [serving, table, version, body]
        on_load(self.refresh, {}, fresh, "versions_open")
        wire(version.change, self.show, which, [charts, verdict, promote], "versions_show", quiet=True)
        side = {"version": version, "suite": suite, "page": page}
        wire(version.change, self.answers, side, [answers], "versions_answers", quiet=True)
        wire(suite.change, self.answers, side, [answers], "versions_suite")
        wire(page.change, self.answers, side, [answers], "versions_page")
        shown = [*fresh, verdict]
        wire(promote.click, self.promote, which, shown, "versions_promote")
        wire(override.click, self.override, {**which, "reason": reason}, shown, "versions_override")
        wire(rollback.click, self.rollback, {}, fresh, "versions_rollback")

    def refresh(self, request: gr.Request) -> tuple[str, str, Any, Any]:
        """What serves, all versions, and the choice of one."""
        return self._listing(request, None)

    def record(self, request: gr.Request) -> tuple[str, str]:
        """What serves and why nothing else can, and the versions of other bases."""
        views = self._services.versions.listing(caller(request))
        why = elsewhere(self._services, say("versions.elsewhere"))
        return serving_view(self._services.versions.served()) + why, versions_view(views) if views else ""

    def show(self, version: str | None, request: gr.Request) -> tuple[str, str, Any]:
        """Scores and verdict of one version; Promote is alive only when the gate passed it."""
        if not version:
            return "", "", gr.Button(interactive=False)
        view = self._services.versions.show(caller(request), version)
        alive = view.verdict.state == "passed" and view.version.state != "served"
        return charts_view(view), verdict_view(view), gr.Button(interactive=alive)

    def answers(self, version: str | None, suite: str, page: float, request: gr.Request) -> str:
        """What base, current and candidate answered, changed rows first."""
        if not version:
            return ""
        at = max(1, int(page or 1))
        try:
            found = self._services.versions.answers(caller(request), version, suite, limit=PAGE, offset=(at - 1) * PAGE)
        except NotFound as error:
            return markup.empty(words_of(error))
        return answers_view(found, at)

    def promote(self, version: str | None, request: gr.Request) -> tuple[str, str, Any, Any, str]:
        """Serve the chosen version."""
        promotion = self._services.versions.promote(caller(request), chosen(version))
        words = say("versions.serves", version=promotion.version)
        return *self._listing(request, version), markup.note(words, "good")

    def override(self, version: str | None, reason: str, request: gr.Request) -> tuple[str, str, Any, Any, str]:
        """Serve the chosen version for a written reason."""
        promotion = self._services.versions.promote(caller(request), chosen(version), override=reason)
        words = say("versions.serves_for", version=promotion.version)
        return *self._listing(request, version), markup.note(words, "warn")

    def rollback(self, request: gr.Request) -> tuple[str, str, Any, Any]:
        """Serve what was served before."""
        promotion = self._services.versions.rollback(caller(request))
        inform(say("versions.serves_again", version=promotion.version))
        return self._listing(request, None)

    def _listing(self, request: gr.Request, keep: str | None) -> tuple[str, str, Any, Any]:
        views = self._services.versions.listing(caller(request))
        names = [view.version.id for view in views]
        chosen_now = keep if keep in names else (names[0] if names else None)
        served = self._services.versions.served()
        choice = gr.Dropdown(choices=names, value=chosen_now)
        told = versions_view(views) + withdrawn_view(self._services.privacy.withdrawn(caller(request)))
        return serving_view(served), told, choice, gr.Column(visible=True if names else "hidden")


def chosen(version: str | None) -> str:
    """The chosen version. Raises InvalidInput when there is none."""
    if not version:
        raise InvalidInput(say("versions.none_chosen"))
    return version


def serving_view(served: str) -> str:
    """The one that answers now."""
    told = say("versions.is_base") if served == "v0" else say("versions.is_adapter")
    return f'<p class="fw-serving">{say("versions.serving")} <span class="fw-badge">{escape(served)}</span> {told}</p>'


def versions_view(views: list[VersionView]) -> str:
    """All versions with their scores, newest first."""
    if not views:
        return markup.empty(say("versions.none"), (say("links.train"), "/train"))
    columns = [say(f"versions.column.{name}") for name in COLUMNS]
    rows = []
    for view in views:
        scores = {suite.suite: percent(suite.candidate) for suite in view.scores}
        told = [scores.get(name, say("versions.not_scored")) for name in SUITES]
        version = view.version
        decided = "overridden" if view.promotion and view.promotion.override else view.verdict.state
        gate = say(f"versions.decided.{decided}")
        published = view.publication.repo if view.publication else say("versions.unpublished")
        known = [version.id, version.state, version.dataset, version.run]
        rows.append([*known, *told, gate, version.base_form, published])
    return markup.table(columns, rows)


def withdrawn_view(found: list[WithdrawnFrom]) -> str:
    """One line on the versions that learnt from rows withdrawn since; nothing where there are none."""
    if not found:
        return ""
    named = ", ".join(f"{each.version} ({each.rows} of {each.dataset})" for each in found)
    return markup.note(say("versions.withdrawn", named=named))


def percent(measure: Measure | None) -> str:
    """A share with its interval."""
    if measure is None:
        return say("versions.not_scored")
    return say("versions.share", share=f"{measure.value:.1%}", low=f"{measure.lo:.0%}", high=f"{measure.hi:.0%}")


def charts_view(view: VersionView) -> str:
    """A chart a suite: base, current and candidate with their intervals."""
    if not view.scores:
        return markup.empty(say("versions.no_scores", version=view.version.id))
    return "".join(score_chart(suite_title(suite.suite), bars(suite, view)) for suite in view.scores)


def suite_title(suite: str) -> str:
    """What a suite measures; one that is not known here by its own name."""
    return say(f"versions.suite.{suite}") if suite in SHOWN_SUITES else suite


def bars(suite: SuiteView, view: VersionView) -> list[Interval]:
    """The bars of one suite, each version once."""
    found: list[tuple[str, Measure | None]] = [("base", suite.base)]
    if view.against != "v0":
        found.append(("current", suite.current))
    found.append(("candidate", suite.candidate))
    return [
        Interval(f"{say(f'versions.bar.{role}')} {m.version}", m.value, m.lo, m.hi, m.n)
        for role, m in found
        if m is not None
    ]


def verdict_view(view: VersionView) -> str:
    """The gate's word and each reason."""
    verdict = view.verdict
    head = say(f"versions.gate.{verdict.state}", against=view.against)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    kept = ""
    if view.promotion and view.promotion.override:
        kept = markup.note(say("versions.overridden", by=view.promotion.by, reason=view.promotion.override), "warn")
    return markup.note(head, VERDICT_KINDS[verdict.state]) + f'<ul class="fw-reasons">{reasons}</ul>{kept}'


def mark(answer: Answer) -> str:
    """What an answer is worth; one that is neither right nor wrong by how much of the reference it has."""
    if 0 < answer.grade < 1:
        return f"≈ {answer.grade:.0%}"
    return say("versions.right") if answer.correct else say("versions.wrong")


def answers_view(found: AnswerPage, page: int) -> str:
    """One page of answers side by side; right and wrong are said in words, not by colour alone."""
    if not found.rows:
        return markup.empty(say("versions.no_rows", suite=found.suite, page=page))
    names = [answer.version for answer in found.rows[0].answers]
    rows = []
    for row in found.rows:
        told = [f"{mark(answer)}: {answer.text}" for answer in row.answers]
        rows.append([row.question, row.reference, *told])
    caption = say("versions.changed", suite=found.suite, changed=found.changed, total=found.total, page=page)
    return markup.table([say("versions.question"), say("versions.reference"), *names], rows, caption)
