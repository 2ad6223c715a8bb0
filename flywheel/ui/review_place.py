"""What stands between the review page and the sections with buttons that others put on it. Knows neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gradio as gr

from flywheel.items import Item
from flywheel.roles import Principal

State = tuple[str, str] | None
"""The item on the page and the event it was read at: a decision on anything newer is refused by the service."""


@dataclass(frozen=True)
class Place:
    """What a panel may use of the page when it wires its events."""

    current: gr.State
    """Holds a State; hand it to handlers as an input."""
    completion: gr.Textbox
    """The proposal as it stands in the box."""
    listing: gr.State
    """What the list shows; `refresh` wants it."""
    shown: Sequence[Any]
    """Outputs of `open`: the item drawn anew."""
    fresh: Sequence[Any]
    """Outputs of `refresh`: the queue and its first item drawn anew."""
    open: Callable[[str | None, gr.Request], tuple[Any, ...]]
    refresh: Callable[..., tuple[Any, ...]]
    """Of the listing and the request."""


class Panel(Protocol):
    """A section with components of its own."""

    side: Literal["above", "below"]
    """Of the box with the answer and its buttons."""

    def build(self) -> Sequence[Any]:
        """Lay it out; the components that change with the item."""

    def wire(self, place: Place) -> None:
        """Tie its events, once the whole page is laid out. Each event stands in `census`."""

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """What those components become for an item; None: none is open."""
