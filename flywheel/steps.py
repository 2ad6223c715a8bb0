"""Work that tells how far it is: a generator of steps whose return value is what the work made."""

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")
Step = tuple[str, float | None]
"""What is being done, in words, and how far it is (0-1, None where that is not known)."""


def ended(work: Generator[Any, None, T]) -> T:
    """What work made that nobody watches."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made
