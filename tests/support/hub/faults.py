"""What can be made to go wrong at the test Hub, and what it was asked.

A fault is chosen by method and path, a number of times; it may strike before the work or after it, cut a body short,
wait, or never answer.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """`status` None answers as usual (after `delay_s`, or cut short)."""

    method: str
    path: re.Pattern[str]
    status: int | None = None
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False
    """Do the work first, then answer with the fault: the client cannot know."""
    cut: int | None = None
    """Bytes of the body after which the connection breaks: of an upload as received, of a download as sent."""
    delay_s: float = 0.0
    hang: bool = False
    message: str = "injected"


@dataclass(frozen=True)
class Entry:
    """One request as it was answered. `status` is 0 where no answer was given."""

    method: str
    path: str
    status: int
    who: str


class Faults:
    """The faults that wait. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault for this request; it is used up by it."""
        with self._lock:
            for fault in self._waiting:
                if fault.method in (method, "*") and fault.path.search(path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
