"""Errors that are fit to be shown to a person: one sentence what is wrong, one what to do.

Services raise these; the edges (pages, REST, commands) turn them into a toast, a status code or an exit code, once.
Anything else that escapes is a defect and is never shown with its text.
"""

from storage.errors import StorageError
from trainers.job import JobError


class FlywheelError(Exception):
    """Root of all errors of the services."""

    status = 500
    exit_code = 1


class InvalidInput(FlywheelError, ValueError):
    """The caller gave a value that cannot be used."""

    status = 400


class NotFound(FlywheelError, LookupError):
    """Unknown, or not the caller's: both are answered alike, so that ids tell nothing."""

    status = 404


class Forbidden(FlywheelError, PermissionError):
    """The caller's role does not allow it."""

    status = 403


class Conflict(FlywheelError, RuntimeError):
    """Something else happened meanwhile (a decision, a run under way)."""

    status = 409


class Refused(FlywheelError, RuntimeError):
    """The gate says no, or cannot say yes yet."""

    status = 409
    exit_code = 3


class Unavailable(FlywheelError, RuntimeError):
    """Not now: the model is loading, the disk is full, the queue is full."""

    status = 503


class TooMany(Unavailable):
    """So much is under way already that no more is taken; it is worth trying again soon."""

    status = 429


class LimitReached(TooMany):
    """One person, program or address has had as many answers as it gets; more are given after `wait_s` seconds."""

    def __init__(self, words: str, wait_s: float) -> None:
        super().__init__(words)
        self.wait_s = wait_s


class Damaged(FlywheelError, ValueError):
    """A file does not hold what was written into it."""


class ConfigurationError(FlywheelError, ValueError):
    """A setting has a value that cannot be used."""

    exit_code = 2


PUBLIC = (FlywheelError, StorageError, JobError)
