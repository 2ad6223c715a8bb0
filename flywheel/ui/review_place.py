"""What stands between the review page and the sections with buttons that others put on it. Knows neither.

Each event tells by its input `seen` which item was on the page when it was sent: the page's own script fills it in.
What the server had sent last would not do, since a fast hand acts on what it sees before that has arrived.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.ui.wiring import wire
from flywheel.words.catalogue import say
from storage.examples import Example


@dataclass(frozen=True)
class Place:
    """What a panel may use of the page when it wires its events."""

    seen: gr.Textbox
    """Hand it to handlers as the input `seen`, by `at_item` or `drawing`; `named` reads what it holds."""
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


def at_item(
    trigger: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: Mapping[str, Any],
    outputs: Sequence[Any],
    name: str,
) -> Any:
    """Wire an event that is about the item on the page."""
    return wire(trigger, handler, inputs, outputs, name, js=_script("seen", inputs))


def drawing(
    trigger: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: Mapping[str, Any],
    outputs: Sequence[Any],
    name: str,
    *,
    quiet: bool = False,
) -> None:
    """Wire an event that shows another item. Until it has, the page begins nothing else; every one that is begun is
    sent, and the service refuses what came too late."""
    done = wire(
        trigger, handler, inputs, outputs, name, quiet=quiet, js=_script("begun", inputs), trigger_mode="multiple"
    )
    for end in (done.success, done.failure):
        end(None, js="() => fwReview.ended()")


def item_key(example: Example) -> str:
    """An item, and the event it was read at: a decision on anything newer is refused by the service."""
    return f"{example.id} {example.event_id}"


def named(seen: str | None) -> tuple[str, str]:
    """The item on the page and the event it was read at. Raises InvalidInput when none is open."""
    example_id, _, event = (seen or "").partition(" ")
    if not example_id:
        raise InvalidInput(say("suggest.no_item"))
    return example_id, event


def _script(call: str, inputs: Mapping[str, Any]) -> str:
    at = list(inputs).index("seen") if "seen" in inputs else -1
    return f"(...all) => fwReview.{call}(all, {at})"
