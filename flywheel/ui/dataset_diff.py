"""The part of the page `/data` that compares two versions: what was added, removed, changed. Formats and no more."""

import gradio as gr

from flywheel.dataset_difference import Difference
from flywheel.errors import InvalidInput
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire
from flywheel.worddiff import word_diff
from storage.datasets import DatasetRow

SHOWN = 50


class DiffBox:
    """Two versions by their names, a button, and what changed between them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay the part out and wire it."""
        with gr.Accordion("Compare two versions", open=False):
            with gr.Row():
                old = gr.Textbox(label="From version", placeholder="d1", elem_id="diff-old")
                new = gr.Textbox(label="To version", placeholder="d2", elem_id="diff-new")
            compare = gr.Button("Compare", elem_id="compare")
            shown = gr.HTML(elem_id="dataset-diff")
        wire(compare.click, self.compare, {"old": old, "new": new}, [shown], "data_diff")

    def compare(self, old: str, new: str, request: gr.Request) -> str:
        """What the second version has and the first has not, and the other way round."""
        if not old.strip() or not new.strip():
            raise InvalidInput("Name two versions, such as `d1` and `d2`.")
        return diff_view(self._services.datasets.diff(caller(request), old.strip(), new.strip()))


def diff_view(found: Difference) -> str:
    """Counts, then the rows of each kind."""
    counts = [(kind, len(getattr(found, kind))) for kind in ("added", "removed", "changed", "moved")]
    words = ", ".join(f"{count} {kind}" for kind, count in counts)
    parts = [markup.note(f"{found.old} → {found.new}: {words}.", "bad" if found.moved else "info")]
    for kind, rows in (("added", found.added), ("removed", found.removed), ("moved", found.moved)):
        if rows:
            cells = [[row.side, _question(row), row.completion] for row in rows]
            parts.append(markup.table(["side", "prompt", "completion"], cells, kind.capitalize(), limit=SHOWN))
    for change in found.changed[:SHOWN]:
        parts.append(markup.note(f"Changed, {change.new.side}: {_question(change.new)}"))
        parts.append(markup.diff(word_diff(change.old.completion, change.new.completion)))
    return "".join(parts)


def _question(row: DatasetRow) -> str:
    return row.prompt[-1]["content"] if row.prompt else ""
