"""How a working page ties an event to a handler: by name, private, with errors in words. No component lives here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flywheel.ui.shell import PRIVATE, on_open, quietly, shown


def wire(
    trigger: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: Mapping[str, Any],
    outputs: Sequence[Any],
    name: str,
) -> Any:
    """A person does something: `handler` is called with `inputs` by name; the wait and any error are shown."""
    settings = {**PRIVATE, "show_progress": "minimal"}
    return trigger(shown(handler), inputs_kwargs=dict(inputs) or None, outputs=list(outputs), api_name=name, **settings)


def tick(
    trigger: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: Mapping[str, Any],
    outputs: Sequence[Any],
    name: str,
) -> Any:
    """Nobody did anything (a timer, a value that followed another): what the role forbids leaves the page as it is."""
    return trigger(
        quietly(handler), inputs_kwargs=dict(inputs) or None, outputs=list(outputs), api_name=name, **PRIVATE
    )


def on_load(handler: Callable[..., Any], inputs: Mapping[str, Any], outputs: Sequence[Any], name: str) -> Any:
    """When the page is opened."""
    return on_open(quietly(handler), inputs_kwargs=dict(inputs) or None, outputs=list(outputs), api_name=name)
