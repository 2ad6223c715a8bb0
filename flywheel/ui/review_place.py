"""What a panel of the review page may use of the page. Knows no service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

State = tuple[str, str] | None
"""The item on the page and the event it was read at: a decision on anything newer is refused by the service."""


@dataclass(frozen=True)
class Place:
    """What a panel may use of the page when it wires its events."""

    current: gr.State
    """Holds a State; hand it to handlers as an input."""
    completion: gr.Textbox
    """The proposal as it stands in the box."""
    shown: Sequence[Any]
    """Outputs of `open`: the item drawn anew."""
    fresh: Sequence[Any]
    """Outputs of `refresh`: the queue and its first item drawn anew."""
    open: Callable[[str | None, gr.Request], tuple[Any, ...]]
    refresh: Callable[[gr.Request], tuple[Any, ...]]
