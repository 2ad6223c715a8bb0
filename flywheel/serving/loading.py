"""What an engine takes to have its base model here before it loads it. Knows no Hub."""

import threading
from typing import Protocol


class Say(Protocol):
    """Told in words what is being done; `stuck` when nothing more will come of it for a while."""

    def __call__(self, words: str, *, stuck: bool = False) -> None: ...


class Prepare(Protocol):
    """Has the base here; returns what a loader is given, its place and revision.

    Raises what is wrong in words; ends soon, by any error, once `closing` is set.
    """

    def __call__(self, say: Say, closing: threading.Event) -> tuple[str, str | None]: ...
