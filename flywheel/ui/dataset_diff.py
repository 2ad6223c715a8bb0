"""The part of the page `/data` that compares two versions: what was added, removed, changed. Formats and no more."""

import gradio as gr

from flywheel.dataset_difference import Difference
from flywheel.errors import InvalidInput
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire
from flywheel.worddiff import word_diff
from flywheel.words.catalogue import say
from storage.datasets import DatasetRow

SHOWN = 50


class DiffBox:
    """Two versions by their names, a button, and what changed between them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay the part out and wire it."""
        with gr.Accordion(say("difference.title"), open=False):
            with gr.Row():
                old = gr.Textbox(label=say("difference.old"), placeholder="d1", elem_id="diff-old")
                new = gr.Textbox(label=say("difference.new"), placeholder="d2", elem_id="diff-new")
            compare = gr.Button(say("difference.compare"), elem_id="compare")
            shown = gr.HTML(elem_id="dataset-diff")
        wire(compare.click, self.compare, {"old": old, "new": new}, [shown], "data_diff")

    def compare(self, old: str, new: str, request: gr.Request) -> str:
        """What the second version has and the first has not, and the other way round."""
        if not old.strip() or not new.strip():
            raise InvalidInput(say("difference.name_two"))
        return diff_view(self._services.datasets.diff(caller(request), old.strip(), new.strip()))


def diff_view(found: Difference) -> str:
    """Counts, then the rows of each kind."""
    told = {kind: len(getattr(found, kind)) for kind in ("added", "removed", "changed", "moved")}
    words = say("difference.counts", **told)
    parts = [markup.note(f"{found.old} → {found.new}: {words}", "bad" if found.moved else "info")]
    columns = [say(f"data.column.{name}") for name in ("side", "prompt", "completion")]
    for kind, rows in (("added", found.added), ("removed", found.removed), ("moved", found.moved)):
        if rows:
            cells = [[say(f"data.side.{row.side}"), _question(row), row.completion] for row in rows]
            parts.append(markup.table(columns, cells, say(f"difference.{kind}"), limit=SHOWN))
    for change in found.changed[:SHOWN]:
        parts.append(
            markup.note(
                say("difference.changed", side=say(f"data.side.{change.new.side}"), question=_question(change.new))
            )
        )
        parts.append(markup.diff(word_diff(change.old.completion, change.new.completion)))
    return "".join(parts)


def _question(row: DatasetRow) -> str:
    return row.prompt[-1]["content"] if row.prompt else ""
