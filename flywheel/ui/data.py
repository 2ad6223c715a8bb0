"""The page `/data`: approved examples, freezing, dataset versions and their rows, import and export.

Formats and calls one service method a handler; rights and validity are the services' matter.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr

from flywheel.datasets import Frozen
from flywheel.exports import WHAT, export_file
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.data_in import ImportBox
from flywheel.ui.dataset_diff import DiffBox
from flywheel.ui.dataset_push import PushBox
from flywheel.ui.dataset_report import ReportBox, choices
from flywheel.ui.shell import caller, strip
from flywheel.ui.synthesis import SynthesisBox
from flywheel.ui.wiring import on_load, wire
from flywheel.words.catalogue import say
from storage.datasets import DatasetRow, DatasetVersion
from storage.examples import Example

PAGE = 10
SIDES = ("train", "validation", "test")
STATES = ("approved", "pending", "rejected", "skipped", "quarantined")
HELD = {
    "invisible_text": "with unseen text",
    "same_reply": "with a repeated reply",
    "alike": "that ask nearly the same",
    "per_guest": "beyond what one guest may give",
    "own_words": "in a model's own words",
}
"""Limits for guests, as said of rows."""


class DataPage:
    """Examples become a frozen dataset here."""

    name, path, role = "data", "/data", Role.REVIEWER

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the page and wire it."""
        strip(self._services)
        with gr.Row(elem_classes="fw-split"):
            with gr.Column(scale=3, min_width=320):
                gr.Markdown("## Freeze")
                ready = gr.HTML(elem_id="ready")
                with gr.Row():
                    name = gr.Textbox(label="Name", placeholder="optional", elem_id="freeze-name")
                    note = gr.Textbox(label="Note", placeholder="optional", elem_id="freeze-note")
                freeze = gr.Button("Freeze", variant="primary", elem_id="freeze")
                frozen = gr.HTML(elem_id="frozen")
            with gr.Column(scale=2, min_width=280):
                gr.Markdown("## Bring data in")
                term, load = self._bundled()
                taking_in = ImportBox(self._services).build()
                SynthesisBox(self._services).build()
        reports = ReportBox(self._services).build()
        gr.Markdown("## Dataset versions")
        versions = gr.HTML(elem_id="datasets")
        with gr.Column(visible="hidden") as body:
            with gr.Row():
                dataset = gr.Dropdown(label="Rows of", choices=[], elem_id="dataset")
                side = gr.Radio(label="Side", choices=list(SIDES), value="train", elem_id="side")
                page = gr.Number(label="Page", value=1, minimum=1, precision=0, elem_id="page")
            rows = gr.HTML(elem_id="rows")
        DiffBox(self._services).build()
        gr.Markdown("## Examples")
        state = gr.Radio(label="State", choices=list(STATES), value="approved", elem_id="state")
        examples = gr.HTML(elem_id="examples")
        what, give, file = self._export_box()
        PushBox(self._services).build(dataset)
        fresh = [ready, versions, dataset, body, reports]
        on_load(self.refresh, {}, fresh, "data_open")
        on_load(self.examples, {"state": state}, [examples], "data_open_examples")
        wire(state.change, self.examples, {"state": state}, [examples], "data_examples")
        done = (
            wire(freeze.click, self.freeze, {"name": name, "note": note}, [*fresh, frozen], "data_freeze"),
            wire(load.click, self.load, {"term": term}, fresh, "data_load"),
            *taking_in(self.refresh, fresh),
        )
        for event in done:
            wire(event.success, self.examples, {"state": state}, [examples], "data_examples_after", quiet=True)
        which = {"dataset": dataset, "side": side, "page": page}
        for trigger, event in ((dataset.change, "rows"), (side.change, "side"), (page.change, "page")):
            wire(trigger, self.rows, which, [rows], f"data_{event}", quiet=True)
        wire(give.click, self.export, {"what": what, "dataset": dataset}, [file], "data_export")

    def _bundled(self) -> tuple[gr.Dropdown, gr.Button]:
        terms = self._services.curation.terms()
        with gr.Accordion("Bundled held-out phrasings", open=True, visible=bool(terms)):
            gr.Markdown("Questions about a word that never enter training. They become test rows: the gate needs them.")
            term = gr.Dropdown(label="Word", choices=terms, elem_id="phrasings-term")
            load = gr.Button("Load held-out phrasings", elem_id="load-phrasings")
        return term, load

    def _export_box(self) -> tuple[gr.Radio, gr.Button, gr.File]:
        with gr.Accordion("Export", open=False):
            what = gr.Radio(label="What", choices=list(WHAT), value="examples", elem_id="export-what")
            give = gr.Button("Export", elem_id="export")
            file = gr.File(label="File", interactive=False)
        return what, give, file

    def refresh(self, request: gr.Request) -> tuple[str, str, Any, Any, Any]:
        """What could be frozen, what is frozen, and the choice of versions."""
        who = caller(request)
        counts = self._services.curation.counts(who)
        listing = self._services.datasets.listing(who)
        names = [version.id for version in listing]
        choice = gr.Dropdown(choices=names, value=names[0] if names else None)
        ready = ready_view(counts, self._services.curation.approved_sides(who))
        frozen = versions_view(listing, self._services.datasets.withdrawn(who))
        return ready, frozen, choice, gr.Column(visible=True if names else "hidden"), choices(listing)

    def examples(self, state: str, request: gr.Request) -> str:
        """The newest examples of one state."""
        return examples_view(self._services.curation.listing(caller(request), state, PAGE), state)

    def load(self, term: str | None, request: gr.Request) -> tuple[str, str, Any, Any, Any]:
        """Put the bundled held-out phrasings of a word in as approved test rows."""
        added = self._services.curation.load_phrasings(caller(request), term or "")
        gr.Info(f"{added} held-out phrasings of `{term}` are test rows now." if added else "They are here already.")
        return self.refresh(request)

    def freeze(self, name: str, note: str, request: gr.Request) -> tuple[str, str, Any, Any, Any, str]:
        """Make a dataset version from what is approved now."""
        frozen = self._services.datasets.freeze(caller(request), name=name, note=note)
        return *self.refresh(request), frozen_view(frozen, learns_here=not self._services.settings.is_remote)

    def rows(self, dataset: str | None, side: str, page: float, request: gr.Request) -> str:
        """One page of rows of a frozen version."""
        if not dataset:
            return ""
        who, at = caller(request), max(1, int(page or 1))
        rows = self._services.datasets.rows(who, dataset, side, limit=PAGE, offset=(at - 1) * PAGE)
        return rows_view(rows, dataset, side, at)

    def export(self, what: str, dataset: str | None, request: gr.Request) -> str:
        """A file to download."""
        out = Path(mkdtemp(prefix="flywheel-export-")) / f"{dataset if what == 'dataset' and dataset else what}.jsonl"
        export_file(self._services.exporter, caller(request), out, what=what, dataset=dataset)
        return str(out)


def ready_view(counts: dict[str, int], sides: dict[str, int]) -> str:
    """How many examples a freeze would take, and whether the gate will have enough test rows."""
    approved, pending = counts.get("approved", 0), counts.get("pending", 0)
    if not approved:
        step = ("Review them", "/review") if pending else ("Open Review", "/review")
        return markup.empty(f"Nothing is approved yet, {pending} wait for a decision.", step)
    fixed = sides.get("test", 0)
    words = f"{approved} approved examples, {fixed} of them fixed as test rows; {pending} still wait."
    return markup.note(words, "good")


def versions_view(listing: list[DatasetVersion], withdrawn: Mapping[str, int]) -> str:
    """All frozen versions, newest first; `withdrawn`: version → rows that their authors have taken back since."""
    if not listing:
        return markup.empty("Nothing is frozen yet. Approve examples, then press Freeze.")
    columns = ["version", "name", "train", "validation", "test", "left out", "withdrawn", "hash", "frozen", "note"]
    rows = [
        [
            v.id,
            v.name,
            *(v.counts.get(side, 0) for side in SIDES),
            len(v.refused),
            withdrawn.get(v.id, 0),
            v.content_hash[:12],
            f"{v.created:%Y-%m-%d %H:%M}",
            v.note,
        ]
        for v in listing
    ]
    return markup.table(columns, rows)


def frozen_view(frozen: Frozen, *, learns_here: bool) -> str:
    """What freezing did, and each row that was left out with its reason."""
    version = frozen.version
    counts = ", ".join(f"{version.counts.get(side, 0)} {side}" for side in SIDES)
    if frozen.created:
        step = "Go on to Train." if learns_here else "Export it below to train on it elsewhere."
        head = markup.note(f"{version.id} is frozen: {counts}. {step}", "good")
    else:
        head = markup.note(f"Nothing has changed since {version.id} ({counts}), so there is no new version.")
    head += held_view(version.policy)
    if not frozen.refused:
        return head
    rows = [[entry["example_id"], entry["reason"]] for entry in frozen.refused]
    return head + markup.table(["example", "left out because"], rows)


def held_view(policy: dict[str, Any]) -> str:
    """What the limits for guests held back when a version was frozen, and what was only noticed."""
    words = []
    if held := policy.get("held_back"):
        words.append(
            f"Held back by the limits for guests: {', '.join(f'{n} {HELD[name]}' for name, n in held.items())}."
        )
    words += [f"Noticed: {found}." for found in policy.get("reported", [])]
    return markup.note(" ".join(words), "warn") if words else ""


def rows_view(rows: list[DatasetRow], dataset: str, side: str, page: int) -> str:
    """A page of frozen rows."""
    if not rows:
        return markup.empty(f"{dataset} has no {side} rows on page {page}.")
    # What its author took back is counted, as the dataset's hash is, and not shown any more.
    table = [
        [row.position, say("data.withdrawn"), "", row.provenance]
        if row.withdrawn
        else [row.position, question(row.prompt), row.completion, row.provenance]
        for row in rows
    ]
    return markup.table(["#", "prompt", "completion", "provenance"], table, f"{dataset}, {side}, page {page}")


def examples_view(examples: list[Example], state: str) -> str:
    """The newest examples of one state."""
    if not examples:
        return markup.empty(f"No example is {state}.")
    table = [[question(e.prompt), e.completion, e.provenance, e.split or "by hash", e.reason or ""] for e in examples]
    return markup.table(["prompt", "completion", "provenance", "side", "reason"], table, f"Newest {state} examples")


def question(prompt: list[dict[str, str]]) -> str:
    """The last thing the person said."""
    return next((m["content"] for m in reversed(prompt) if m["role"] == "user"), "")
