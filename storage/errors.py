"""Errors of the storage, in words a person can act on.

Knows nothing of pages, routes or commands: the edges turn these into a status or an exit code by their class.
"""


class StorageError(Exception):
    """Root of all errors of the storage; the message says what is wrong and what to do."""


class HomeLocked(StorageError, RuntimeError):
    """Another process works on this home. `pid` is 0 and `url` empty where they are not known."""

    def __init__(self, pid: int, url: str) -> None:
        known = [part for part in (f"pid {pid}" if pid else "", url) if part]
        at = f" ({', '.join(known)})" if known else ""
        super().__init__(f"Flywheel is already running here{at}. Use that one, or stop it first.")
        self.pid = pid
        self.url = url


class HomeUnwritable(StorageError, OSError):
    """The home cannot be created or written; the message names the path."""


class DatabaseDamaged(StorageError, ValueError):
    """The database file (not only its log) does not hold what was written into it. Nothing was overwritten."""


class NewerDatabase(StorageError, ValueError):
    """The database was written by a later version of Flywheel or of DuckDB."""


class OlderDatabase(StorageError, ValueError):
    """The database lacks steps that the next start takes; said only where nothing may be changed."""


class NoBackup(StorageError, ValueError):
    """A file that is no whole, unchanged backup of ours. Nothing of it was taken."""


class DiskFull(StorageError, OSError):
    """Nothing of the refused write was kept; the next write works once there is space."""


class Unwritten(StorageError, OSError):
    """Nothing of the refused write was kept, for another reason than a full disk."""


class Stale(StorageError, RuntimeError):
    """Something else was written meanwhile; reading again shows what."""


class Missing(StorageError, LookupError):
    """A row with this id does not exist."""


class Busy(StorageError, RuntimeError):
    """There can be one of it at a time, and one is under way."""


class BadValue(StorageError, ValueError):
    """A value that cannot be stored; the message names its field."""


class HubError(StorageError, RuntimeError):
    """The Hub did not do what it was asked. `status` is its HTTP status, 0 where it gave none."""

    def __init__(self, message: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class HubDenied(HubError, PermissionError):
    """No token, a wrong one, or one that may not do this (401, 403)."""


class HubMissing(HubError, LookupError):
    """No such repository, revision or file, or none that this token may see (404)."""


class HubConflict(HubError):
    """Something else stands there, or was written meanwhile (409, 412)."""


class HubBusy(HubError):
    """Not now: too many requests, a failing or unreachable Hub, or one that does not answer in time."""
