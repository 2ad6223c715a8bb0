"""The part of the page `/data` that reports on a version, or on what would be frozen now: numbers, plots, rows.

Formats; what is counted, and how, is `dataset_report`'s matter.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.charts import count_chart
from flywheel.ui.shell import caller
from flywheel.ui.watching import watched
from flywheel.ui.wiring import wire
from flywheel.words.catalogue import say, say_count
from storage.datasets import DatasetVersion

Report = dict[str, Any]
LEARNT = ("version", "dataset", "trained", "before", "after", "test_rows", "gain")
NOW = ""
"""What a freeze would take now."""


class ReportBox:
    """A choice of versions, a button, and the report."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> gr.Dropdown:
        """Lay the part out and wire it; returns the choice, which the page fills with `choices`."""
        gr.Markdown(f"## {say('data.report')}")
        with gr.Row(equal_height=False, elem_classes="fw-actions"):
            of = gr.Dropdown(
                label=say("data.report_on"), choices=[(say("data.report_now"), NOW)], value=NOW, elem_id="report-of"
            )
            show = gr.Button(say("data.show_report"), elem_id="show-report")
        shown = gr.HTML(elem_id="report")
        wire(show.click, self.show, {"of": of}, [shown], "data_report")
        return of

    def show(self, of: str | None, request: gr.Request) -> Iterator[str]:
        """The report on a version, or on what would be frozen."""
        work = self._services.datasets.reporting(caller(request), of or None)
        yield from watched(work, report_view)


def choices(listing: list[DatasetVersion]) -> gr.Dropdown:
    """What can be reported on; the choice goes back to what would be frozen."""
    return gr.Dropdown(
        choices=[(say("data.report_now"), NOW), *((version.id, version.id) for version in listing)], value=NOW
    )


def report_view(told: Report) -> str:
    """The whole report as markup."""
    rows = told["rows"]
    sides = ", ".join(f"{rows[side]:,} {say(f'data.side.{side}')}" for side in ("train", "validation", "test"))
    of = told["dataset"] or say("report.a_freeze_now")
    head = markup.note(f"{of}: {say_count('words.rows', rows['all'])} ({sides}).")
    charts = [
        count_chart(say("report.provenance"), list(told["provenance"].items())),
        count_chart(say("report.tags"), list(told["tags"].items())),
        count_chart(say("report.reviewers"), list(told["reviewers"].items())),
        count_chart(say("report.languages"), list(told["languages"].items())),
        count_chart(
            say("report.lengths"), [(f"{most:,}", count) for most, count in told["lengths"].get("histogram", [])]
        ),
        count_chart(say("report.answers"), list(told["answers"].items())),
        count_chart(
            say("report.labels"), [(say(f"report.label.{name}"), told["labels"][name]) for name in ("right", "wrong")]
        ),
    ]
    plots = "".join(f"<section>{chart}</section>" for chart in charts if chart)
    return f'{head}{_facts(told)}<div class="fw-counts">{plots}</div>{_left_out(told)}{_learnt(told)}{_samples(told)}'


def _facts(told: Report) -> str:
    lengths, found = told["lengths"], told["duplicates"]
    if lengths["measured"]:
        span = {name: lengths[name] for name in ("shortest", "longest", "median")}
        part = f"{lengths['measured']:,}"
        whole = lengths["measured"] == lengths["of"]
        tokens = say("report.tokens_all", **span) if whole else say("report.tokens_part", part=part, **span)
        over = say("report.over", count=lengths["too_long"], limit=lengths["limit"])
    else:
        tokens, over = (
            say("report.not_counted", why=lengths.get("why_not", say("report.no_rows"))),
            f"{lengths['too_long']}",
        )
    return markup.facts(
        [
            (say("report.tokens"), tokens),
            (say("report.too_long"), over),
            (say("report.same_pair"), found["same_pair"]),
            (say("report.near"), say("report.groups", rows=found["rows_in_groups"], groups=found["groups"])),
            (say("report.language_told"), told["language_method"]),
        ]
    )


def _left_out(told: Report) -> str:
    rows = [[count, markup.Sentence(reason)] for reason, count in told["left_out"].items()]
    return markup.table([say("report.column.rows"), say("data.column.left_out_because")], rows) if rows else ""


def _learnt(told: Report) -> str:
    if not told["learnt"]:
        return markup.note(say("report.nothing_learnt"))
    columns = [say(f"report.column.{name}") for name in LEARNT]
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
    return markup.table(columns, rows, say("report.learnt"))


def _samples(told: Report) -> str:
    if not told["samples"]:
        return ""
    shown = "".join(f'<pre class="fw-code">{_marked(sample["tokens"])}</pre>' for sample in told["samples"])
    return f'<h4 class="fw-chart-title">{escape(say("report.as_trained"))}</h4>{shown}'


def _marked(tokens: list[list[Any]]) -> str:
    return "".join(
        f'<mark class="fw-trained">{escape(text)}</mark>' if trained else escape(text) for text, trained in tokens
    )
