"""Work told in steps, done to its end."""

from collections.abc import Generator
from typing import TypeVar

from storage.backup import Step

T = TypeVar("T")


def finish(steps: Generator[Step, None, T]) -> T:
    """What the work returns; the steps are dropped."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
