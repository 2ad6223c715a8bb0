"""The part of the page `/data` that lists the pinned tests. Formats; which there are is the service's matter."""

from collections.abc import Sequence

import gradio as gr

from flywheel.pins import PinnedTest
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import on_load
from flywheel.words.catalogue import say

SHOWN = 100


class PinsBox:
    """All pins, folded away."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay the part out and wire it."""
        with gr.Accordion(say("pins.title"), open=False, elem_id="pinned"):
            listed = gr.HTML(elem_id="pins")
        on_load(self.listing, {}, [listed], "data_pins")

    def listing(self, request: gr.Request) -> str:
        """The pins as they are now."""
        return pins_view(self._services.pins.listing(caller(request)))


def pins_view(pins: Sequence[PinnedTest]) -> str:
    """A row for each pin, newest first."""
    if not pins:
        return markup.empty(say("pins.none"))
    rows = [
        [pin.id, pin.question, pin.completion, pin.by, say("pins.asked") if pin.in_force else say("pins.resting")]
        for pin in pins
    ]
    columns = [say(f"pins.column.{name}") for name in ("example", "question", "answer", "by", "state")]
    return markup.table(columns, rows, limit=SHOWN)
