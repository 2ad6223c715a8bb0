"""The page `/data`: approved examples, freezing, dataset versions and their rows, import and export.

Formats and calls one service method a handler; rights and validity are the services' matter.
"""

from collections.abc import Iterator, Mapping
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
from flywheel.ui.pins import PinsBox
from flywheel.ui.shell import caller, inform, strip
from flywheel.ui.synthesis import SynthesisBox
from flywheel.ui.watching import watched
from flywheel.ui.wiring import on_load, wire
from flywheel.words.catalogue import say, say_count
from storage.datasets import DatasetRow, DatasetVersion
from storage.examples import Example

PAGE = 10
SIDES = ("train", "validation", "test")
STATES = ("approved", "pending", "rejected", "skipped", "quarantined")
COLUMNS = ("version", "name", *SIDES, "left_out", "withdrawn", "hash", "frozen", "note")


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
                gr.Markdown(f"## {say('data.freeze')}")
                ready = gr.HTML(elem_id="ready")
                with gr.Row():
                    name = gr.Textbox(label=say("data.name"), placeholder=say("data.optional"), elem_id="freeze-name")
                    note = gr.Textbox(label=say("data.note"), placeholder=say("data.optional"), elem_id="freeze-note")
                freeze = gr.Button(say("data.freeze"), variant="primary", elem_id="freeze")
                frozen = gr.HTML(elem_id="frozen")
            with gr.Column(scale=2, min_width=280):
                gr.Markdown(f"## {say('data.bring_in')}")
                term, load = self._bundled()
                taking_in = ImportBox(self._services).build()
                SynthesisBox(self._services).build()
        reports = ReportBox(self._services).build()
        gr.Markdown(f"## {say('data.versions')}")
        versions = gr.HTML(elem_id="datasets")
        with gr.Column(visible="hidden") as body:
            with gr.Row():
                dataset = gr.Dropdown(label=say("data.rows_of"), choices=[], elem_id="dataset")
                side = gr.Radio(label=say("data.one_side"), choices=side_names(), value="train", elem_id="side")
                row_tag = gr.Dropdown(label=say("data.tag"), choices=tags_of({}), value="", elem_id="row-tag")
                page = gr.Number(label=say("words.page"), value=1, minimum=1, precision=0, elem_id="page")
            rows = gr.HTML(elem_id="rows")
        DiffBox(self._services).build()
        PinsBox(self._services).build()
        gr.Markdown(f"## {say('data.examples')}")
        states = [(say(f"review.state_{state}"), state) for state in STATES]
        with gr.Row():
            state = gr.Radio(label=say("data.state"), choices=states, value="approved", elem_id="state")
            tag = gr.Dropdown(label=say("data.tag"), choices=tags_of({}), value="", elem_id="tag")
        examples = gr.HTML(elem_id="examples")
        what, give, file = self._export_box()
        PushBox(self._services).build(dataset)
        fresh = [ready, versions, dataset, body, reports]
        on_load(self.refresh, {}, fresh, "data_open")
        listed = {"state": state, "tag": tag}
        on_load(self.choose, {"state": state}, [examples, tag], "data_open_examples")
        wire(state.change, self.choose, {"state": state}, [examples, tag], "data_examples")
        wire(tag.input, self.examples, listed, [examples], "data_examples_tag")
        done = (
            wire(freeze.click, self.freeze, {"name": name, "note": note}, [*fresh, frozen], "data_freeze"),
            wire(load.click, self.load, {"term": term}, fresh, "data_load"),
            *taking_in(self.refresh, fresh),
        )
        for event in done:
            wire(event.success, self.examples, listed, [examples], "data_examples_after", quiet=True)
        which = {"dataset": dataset, "side": side, "page": page, "tag": row_tag}
        for trigger, event in ((page.change, "page"), (row_tag.input, "tag")):
            wire(trigger, self.rows, which, [rows], f"data_{event}", quiet=True)
        del which["tag"]
        for trigger, event in ((dataset.change, "rows"), (side.change, "side")):
            wire(trigger, self.turn_to, which, [rows, row_tag], f"data_{event}", quiet=True)
        wire(give.click, self.export, {"what": what, "dataset": dataset}, [file], "data_export")

    def _bundled(self) -> tuple[gr.Dropdown, gr.Button]:
        terms = self._services.curation.terms()
        with gr.Accordion(say("data.phrasings"), open=True, visible=bool(terms)):
            gr.Markdown(say("data.phrasings_why"))
            term = gr.Dropdown(
                label=say("data.word"), choices=[(markup.plain(name), name) for name in terms], elem_id="phrasings-term"
            )
            load = gr.Button(say("data.load_phrasings"), elem_id="load-phrasings")
        return term, load

    def _export_box(self) -> tuple[gr.Radio, gr.Button, gr.File]:
        kinds = [(say(f"data.export_{what}"), what) for what in WHAT]
        with gr.Accordion(say("data.export"), open=False):
            what = gr.Radio(label=say("data.what"), choices=kinds, value="examples", elem_id="export-what")
            give = gr.Button(say("data.export"), elem_id="export")
            file = gr.File(label=say("data.file"), interactive=False, elem_id="export-file")
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

    def choose(self, state: str, request: gr.Request) -> tuple[str, Any]:
        """The newest examples of one state, and the tags there are to choose from."""
        tags = self._services.inbox.tag_counts(caller(request), state)
        return self.examples(state, "", request), gr.Dropdown(choices=tags_of(tags), value="")

    def examples(self, state: str, tag: str | None, request: gr.Request) -> str:
        """The newest examples of one state, with a tag or any."""
        who = caller(request)
        if tag:
            return examples_view(self._services.inbox.tagged(who, state, tag, PAGE), state)
        return examples_view(self._services.curation.listing(who, state, PAGE), state)

    def load(self, term: str | None, request: gr.Request) -> tuple[str, str, Any, Any, Any]:
        """Put the bundled held-out phrasings of a word in as approved test rows."""
        added = self._services.curation.load_phrasings(caller(request), term or "")
        inform(say_count("data.loaded", added, term=markup.plain(term or "")) if added else say("data.loaded.none"))
        return self.refresh(request)

    def freeze(self, name: str, note: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Make a dataset version from what is approved now."""
        work = self._services.datasets.freezing(caller(request), name=name, note=note)
        here = not self._services.settings.is_remote
        yield from watched(
            work,
            lambda frozen: (*self.refresh(request), frozen_view(frozen, learns_here=here)),
            put=lambda shown: (*[gr.skip()] * 5, shown),
        )

    def turn_to(self, dataset: str | None, side: str, page: float, request: gr.Request) -> tuple[str, Any]:
        """Rows of another version or side, and the tags that these have."""
        tags = self._services.datasets.tag_counts(caller(request), dataset, side) if dataset else {}
        return self.rows(dataset, side, page, "", request), gr.Dropdown(choices=tags_of(tags), value="")

    def rows(self, dataset: str | None, side: str, page: float, tag: str | None, request: gr.Request) -> str:
        """One page of rows of a frozen version, with a tag or any."""
        if not dataset:
            return ""
        who, at = caller(request), max(1, int(page or 1))
        rows = self._services.datasets.rows(who, dataset, side, limit=PAGE, offset=(at - 1) * PAGE, tag=tag or None)
        return rows_view(rows, dataset, side, at)

    def export(self, what: str, dataset: str | None, request: gr.Request) -> str:
        """A file to download."""
        out = Path(mkdtemp(prefix="flywheel-export-")) / f"{dataset if what == 'dataset' and dataset else what}.jsonl"
        export_file(self._services.exporter, caller(request), out, what=what, dataset=dataset)
        return str(out)


def tags_of(tally: Mapping[str, int]) -> list[tuple[str, str]]:
    """What a choice of tags offers: any, or one with its count."""
    return [(say("review.any"), ""), *((f"{tag} ({count:,})", tag) for tag, count in tally.items())]


def ready_view(counts: dict[str, int], sides: dict[str, int]) -> str:
    """How many examples a freeze would take, and whether the gate will have enough test rows."""
    approved, pending = counts.get("approved", 0), counts.get("pending", 0)
    if not approved:
        return markup.empty(say_count("data.none_approved", pending), (say("links.review"), "/review"))
    told = {"fixed": sides.get("test", 0), "waiting": pending}
    return markup.note(say_count("data.ready", approved, **told), "good")


def versions_view(listing: list[DatasetVersion], withdrawn: Mapping[str, int]) -> str:
    """All frozen versions, newest first; `withdrawn`: version → rows that their authors have taken back since."""
    if not listing:
        return markup.empty(say("data.nothing_frozen"))
    columns = [say(f"data.column.{name}") for name in COLUMNS]
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
    counts = ", ".join(f"{version.counts.get(side, 0)} {name}" for name, side in side_names())
    if frozen.created:
        step = say("data.then_train") if learns_here else say("data.then_export")
        head = markup.note(f"{say('data.frozen', dataset=version.id, counts=counts)} {step}", "good")
    else:
        head = markup.note(say("data.unchanged", dataset=version.id, counts=counts))
    head += held_view(version.policy)
    if not frozen.refused:
        return head
    rows = [[entry["example_id"], markup.Sentence(entry["reason"])] for entry in frozen.refused]
    return head + markup.table([say("data.column.example"), say("data.column.left_out_because")], rows)


def held_view(policy: dict[str, Any]) -> str:
    """What the limits for guests held back when a version was frozen, and what was only noticed."""
    words = []
    if held := policy.get("held_back"):
        told = ", ".join(f"{count} {say(f'data.held.{name}')}" for name, count in held.items())
        words.append(say("data.held_back", held=told))
    words += [say("data.noticed", found=found) for found in policy.get("reported", [])]
    return markup.note(" ".join(words), "warn") if words else ""


def rows_view(rows: list[DatasetRow], dataset: str, side: str, page: int) -> str:
    """A page of frozen rows."""
    if not rows:
        return markup.empty(say("data.no_rows", dataset=dataset, side=say(f"data.side.{side}"), page=page))
    # What its author took back is counted, as the dataset's hash is, and not shown any more.
    table = [
        [row.position, say("data.withdrawn"), "", row.provenance]
        if row.withdrawn
        else [row.position, question(row.prompt), row.completion, row.provenance]
        for row in rows
    ]
    columns = ["#", *(say(f"data.column.{name}") for name in ("prompt", "completion", "provenance"))]
    caption = say("data.rows_shown", dataset=dataset, side=say(f"data.side.{side}"), page=page)
    return markup.table(columns, table, caption)


def examples_view(examples: list[Example], state: str) -> str:
    """The newest examples of one state."""
    if not examples:
        step = (say("links.chat"), "/") if state == "pending" else (say("links.review"), "/review")
        return markup.empty(say(f"data.empty.{state}"), step)
    columns = [say(f"data.column.{name}") for name in ("prompt", "completion", "provenance", "side", "reason")]
    sides = {side: name for name, side in side_names()}
    by_hash = say("data.by_hash")
    table = [
        [question(e.prompt), e.completion, e.provenance, sides.get(e.split or "", by_hash), e.reason or ""]
        for e in examples
    ]
    return markup.table(columns, table, say("data.newest", state=say(f"review.state_{state}")))


def side_names() -> list[tuple[str, str]]:
    """(as people read it, side) of each."""
    return [(say(f"data.side.{side}"), side) for side in SIDES]


def question(prompt: list[dict[str, str]]) -> str:
    """The last thing the person said."""
    return next((m["content"] for m in reversed(prompt) if m["role"] == "user"), "")
