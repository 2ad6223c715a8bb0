"""A value that takes time to make, made anew for whoever asks, but never for more than a twentieth of the time.

Knows nothing of what the value is.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

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
        self._making = False

    def get(self) -> T:
        """The value, new or some seconds old. Only the first of a slow kind is waited for: then the old one is given
        while a new one is made."""
        with self._lock:
            if self._value is None or (self._pause == 0.0 and not self._making):
                self._keep(*self._timed())
            elif not self._making and time.monotonic() - self._made > self._pause:
                self._making = True
                threading.Thread(target=self._again, name="fresh", daemon=True).start()
            assert self._value is not None
            return self._value

    def _again(self) -> None:
        try:
            made = self._timed()
        except Exception:
            # The thread's outermost edge: the old value stays, and the next look tries again.
            log.exception("a value could not be made anew")
            made = None
        with self._lock:
            self._making = False
            if made is not None:
                self._keep(*made)

    def _timed(self) -> tuple[T, float]:
        began = time.monotonic()
        return self._make(), time.monotonic() - began

    def _keep(self, value: T, took: float) -> None:
        self._value, self._made = value, time.monotonic()
        self._pause = 0.0 if took < QUICK else took / SHARE_OF_TIME

    def forget(self) -> None:
        """Something is known to have changed: whoever asks next gets a new one."""
        with self._lock:
            self._value = None
