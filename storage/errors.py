"""Errors of the storage, in words a person can act on.

Knows nothing of pages, routes or commands: the edges turn these into a status or an exit code by their class.
"""


class StorageError(Exception):
    """Root of all errors of the storage; the message says what is wrong and what to do."""


class HomeLocked(StorageError):
    """Another process works on this home."""

    def __init__(self, pid: int, url: str) -> None:
        at = f"pid {pid}, {url}" if url else f"pid {pid}"
        super().__init__(f"Flywheel is already running here ({at}). Use that one, or stop it first.")
        self.pid = pid
        self.url = url


class HomeUnwritable(StorageError):
    """The home cannot be created or written."""


class DatabaseDamaged(StorageError):
    """The database file (not only its log) does not hold what was written into it."""


class DiskFull(StorageError):
    """Nothing of the refused write was kept; the next write works once there is space."""


class Unwritten(StorageError):
    """A write did not reach the disk for another reason than a full one."""


class Stale(StorageError):
    """Something else was decided meanwhile."""


class Missing(StorageError):
    """A row with this id does not exist."""


class Busy(StorageError):
    """The thing exists once and is in use (a run under way)."""


class BadValue(StorageError):
    """A value that cannot be stored, named by its field."""
