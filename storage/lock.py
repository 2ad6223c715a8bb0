"""The lock of a home: one process at a time, by `flock` on a file that says who holds it.

The kernel drops the lock with the process, however it ends, so a stale lock cannot exist; the words in the file
matter only while the lock is held. The file is never renamed or deleted: a lock is on the file, not on its name.
"""

import contextlib
import fcntl
import json
import os
import time
from dataclasses import dataclass

from storage.errors import HomeLocked
from storage.home import Home

# Asking who holds a lock takes a shared one for an instant; a start must not fail because of that.
_PATIENCE_S = 0.5
_PAUSE_S = 0.02
_MAX_BYTES = 4096


@dataclass(frozen=True)
class Holder:
    """Who holds a home; `pid` 0 and `url` empty where it did not say so yet."""

    pid: int
    url: str


class HomeLock:
    """A held lock; made by `HomeLock.acquire`, let go by `release` or the end of the process."""

    def __init__(self, descriptor: int, url: str) -> None:
        self._descriptor = descriptor
        self.set_url(url)

    @classmethod
    def acquire(cls, home: Home, url: str) -> "HomeLock":
        """Take the lock. Raises HomeLocked with the holder's pid and address."""
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _PATIENCE_S
        while not _taken(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                other = _read(descriptor)
                os.close(descriptor)
                raise HomeLocked(other.pid, other.url)
            time.sleep(_PAUSE_S)
        return cls(descriptor, url)

    def set_url(self, url: str) -> None:
        """Say where the app can be reached, once the port is known."""
        content = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def holder(home: Home) -> Holder | None:
    """Who holds this home now, None when nobody does."""
    try:
        descriptor = os.open(home.lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _taken(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


def _read(descriptor: int) -> Holder:
    content = os.pread(descriptor, _MAX_BYTES, 0)
    try:
        said = json.loads(content)
        return Holder(int(said["pid"]), str(said["url"]))
    except (ValueError, KeyError, TypeError):
        # The holder is between taking the lock and writing its name.
        return Holder(0, "")
