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
    *,
    quiet: bool = False,
    **more: Any,
) -> Any:
    """Call `handler` with `inputs` by name when something happens.

    A person did it: the wait and any error are shown. With `quiet` nobody did (a timer, a value that followed another,
    a page that opens): what the role forbids leaves the page as it is. `more` are arguments of the page library.
    """
    edge, settings = (quietly, {**PRIVATE}) if quiet else (shown, {**PRIVATE, "show_progress": "minimal"})
    settings |= more
    return trigger(edge(handler), inputs_kwargs=dict(inputs) or None, outputs=list(outputs), api_name=name, **settings)


def on_load(handler: Callable[..., Any], inputs: Mapping[str, Any], outputs: Sequence[Any], name: str) -> Any:
    """When the page is opened."""
    return wire(on_open, handler, inputs, outputs, name, quiet=True)
