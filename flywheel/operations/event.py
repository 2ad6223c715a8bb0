"""What an operation takes and yields: plain dictionaries, so that they travel over a line as they are."""

from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from flywheel.roles import Principal
from flywheel.services import Services
from flywheel.steps import Step

Event = dict[str, Any]
"""`{"progress": words, "fraction"?: 0-1}` for people, `{"stream": text so far}`, `{"result": object}` for the output,
and at most one `{"exit": code}`."""
Arguments = dict[str, Any]
Operation = Callable[[Services, Principal, Arguments], Iterator[Event]]
T = TypeVar("T")


def stepped(steps: Generator[Step, None, T]) -> Generator[Event, None, T]:
    """The steps of some work as events, each once; returns what the work returns."""
    last: tuple[str, int | None] = "", None
    while True:
        try:
            words, fraction = next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        at = words, None if fraction is None else round(100 * fraction)
        if at != last:
            yield {"progress": words, **({} if fraction is None else {"fraction": fraction})}
            last = at
