"""The box on the review page that pins the open item as a test. Knows the pins alone."""

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr

from flywheel.items import Item
from flywheel.pins import PINNABLE, Pins
from flywheel.roles import Principal
from flywheel.ui.review_place import Place, at_item, named
from flywheel.ui.shell import caller
from flywheel.words.catalogue import say


class PinPanel:
    """One box, stored as it is ticked; the pin counts from the approval on."""

    side: Literal["above", "below"] = "below"

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    def build(self) -> Sequence[Any]:
        """One box."""
        self._box = gr.Checkbox(label=say("pins.label"), info=say("pins.hint"), elem_id="pin")
        return [self._box]

    def wire(self, place: Place) -> None:
        """A tick is stored at once."""
        at_item(self._box.input, self.store, {"seen": place.seen, "on": self._box}, [], "review_pin")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """Whether the item is pinned; nothing to tick where it was decided against, or another's pin is not theirs to
        take away."""
        pin = self._pins.of(who, item.example.id) if item else None
        can = item is not None and item.example.state in PINNABLE
        free = pin is None or self._pins.may_remove(who, pin.by)
        return [gr.Checkbox(value=pin is not None, visible=can or pin is not None, interactive=free)]

    def store(self, seen: str, on: bool, request: gr.Request) -> None:
        """Pin the item, or take its pin away."""
        example_id, _ = named(seen)
        change = self._pins.add if on else self._pins.remove
        change(caller(request), [example_id])
