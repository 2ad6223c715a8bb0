"""A value that takes time to make, made anew for whoever asks, but never for more than a twentieth of the time.

Knows nothing of what the value is.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SHARE_OF_TIME = 0.05
QUICK = 0.05
"""Seconds. What is made so fast is never old."""


class Fresh(Generic[T]):
    """Holds the value. Thread-safe; while one makes it, others wait for it."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None
        self._made, self._pause = 0.0, 0.0

    def get(self) -> T:
        """The value, new or some seconds old."""
        with self._lock:
            began = time.monotonic()
            if self._value is None or began - self._made > self._pause:
                self._value = self._make()
                self._made = time.monotonic()
                took = self._made - began
                self._pause = 0.0 if took < QUICK else took / SHARE_OF_TIME
            return self._value

    def forget(self) -> None:
        """Something is known to have changed: whoever asks next gets a new one."""
        with self._lock:
            self._value = None
