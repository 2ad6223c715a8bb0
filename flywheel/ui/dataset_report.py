"""The part of the page `/data` that reports on a version, or on what would be frozen now: numbers, plots, rows.

Formats; what is counted, and how, is `dataset_report`'s matter.
"""

from html import escape
from typing import Any

import gradio as gr

from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.charts import count_chart
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire
from storage.datasets import DatasetVersion

Report = dict[str, Any]
NOW = "what a freeze would take now"


class ReportBox:
    """A choice of versions, a button, and the report."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> gr.Dropdown:
        """Lay the part out and wire it; returns the choice, which the page fills with `choices`."""
        gr.Markdown("## Report")
        with gr.Row(equal_height=False, elem_classes="fw-actions"):
            of = gr.Dropdown(label="Report on", choices=[NOW], value=NOW, elem_id="report-of")
            show = gr.Button("Show report", elem_id="show-report")
        shown = gr.HTML(elem_id="report")
        wire(show.click, self.show, {"of": of}, [shown], "data_report")
        return of

    def show(self, of: str | None, request: gr.Request) -> str:
        """The report on a version, or on what would be frozen."""
        dataset = None if of in (None, NOW) else of
        return report_view(self._services.datasets.report(caller(request), dataset))


def choices(listing: list[DatasetVersion]) -> gr.Dropdown:
    """What can be reported on; the choice goes back to what would be frozen."""
    return gr.Dropdown(choices=[NOW, *(version.id for version in listing)], value=NOW)


def report_view(told: Report) -> str:
    """The whole report as markup."""
    rows = told["rows"]
    sides = ", ".join(f"{rows[side]:,} {side}" for side in ("train", "validation", "test"))
    head = markup.note(f"{told['dataset'] or 'A freeze now'}: {rows['all']:,} rows ({sides}).")
    charts = [
        count_chart("Where rows come from", list(told["provenance"].items())),
        count_chart("Tags", list(told["tags"].items())),
        count_chart("Who decided", list(told["reviewers"].items())),
        count_chart("Language of the questions", list(told["languages"].items())),
        count_chart(
            "Tokens, rows up to", [(f"{most:,}", count) for most, count in told["lengths"].get("histogram", [])]
        ),
        count_chart("Answers", [(name, count) for name, count in told["answers"].items()]),
        count_chart(
            "Labels", [("right answer", told["labels"]["right"]), ("wrong one beside", told["labels"]["wrong"])]
        ),
    ]
    plots = "".join(f"<section>{chart}</section>" for chart in charts if chart)
    return f'{head}{_facts(told)}<div class="fw-counts">{plots}</div>{_left_out(told)}{_learnt(told)}{_samples(told)}'


def _facts(told: Report) -> str:
    lengths, found = told["lengths"], told["duplicates"]
    if lengths["measured"]:
        part = "" if lengths["measured"] == lengths["of"] else f", of {lengths['measured']:,} rows taken by chance"
        tokens = f"{lengths['shortest']} to {lengths['longest']}, half below {lengths['median']}{part}"
        over = f"{lengths['too_long']} over the base's {lengths['limit']}"
    else:
        tokens, over = f"not counted: {lengths.get('why_not', 'no rows')}", f"{lengths['too_long']}"
    return markup.facts(
        [
            ("tokens of a row", tokens),
            ("too long, left out", over),
            ("the same pair, left out", found["same_pair"]),
            ("near each other", f"{found['rows_in_groups']} rows in {found['groups']} groups"),
            ("language told", told["language_method"]),
        ]
    )


def _left_out(told: Report) -> str:
    rows = [[count, reason] for reason, count in told["left_out"].items()]
    return markup.table(["rows", "left out because"], rows) if rows else ""


def _learnt(told: Report) -> str:
    if not told["learnt"]:
        return markup.note("No version was scored yet, so nothing is known of what such rows teach.")
    columns = ["version", "dataset", "rows trained", "before", "after", "test rows", "points per 10 rows"]
    rows = [
        [
            gain["version"],
            gain["dataset"],
            gain["train_rows"],
            f"{gain['before']:.1%} ({gain['against']})",
            f"{gain['after']:.1%}",
            gain["test_rows"],
            f"{gain['points_per_10_rows']:+.2f}",
        ]
        for gain in told["learnt"]
    ]
    return markup.table(columns, rows, "What was learnt so far")


def _samples(told: Report) -> str:
    if not told["samples"]:
        return ""
    shown = "".join(f'<pre class="fw-code">{_marked(sample["tokens"])}</pre>' for sample in told["samples"])
    return f'<h4 class="fw-chart-title">Rows as they are trained: the marked tokens are learnt</h4>{shown}'


def _marked(tokens: list[list[Any]]) -> str:
    return "".join(
        f'<mark class="fw-trained">{escape(text)}</mark>' if trained else escape(text) for text, trained in tokens
    )
