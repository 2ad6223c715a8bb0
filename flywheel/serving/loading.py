"""What an engine takes to have its base model here before it loads it. Knows no Hub."""

import threading
from typing import NamedTuple, Protocol


class Say(Protocol):
    """Told in words what is being done; `stuck` when nothing more will come of it for a while."""

    def __call__(self, words: str, *, stuck: bool = False) -> None: ...


class Base(NamedTuple):
    """What a loader is given, and what a person should know about where it came from (often nothing)."""

    location: str
    revision: str | None
    note: str = ""


class Prepare(Protocol):
    """Has the base here; returns what a loader is given.

    Raises what is wrong in words; ends soon, by any error, once `closing` is set.
    """

    def __call__(self, report: Say, closing: threading.Event) -> Base: ...
