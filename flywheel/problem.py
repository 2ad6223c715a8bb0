"""A failure as programs are told it: a status, and OpenAI's error object, for everything under /v1.

One mapping from our errors to theirs, so that every edge says the same. Knows no web framework.
"""

import json
import logging
import math
from collections.abc import Mapping

from flywheel.errors import PUBLIC, FlywheelError, LimitReached, NotFound, TooMany
from flywheel.texts import escaped
from flywheel.words.below import words_of
from storage.errors import BadValue, DiskFull, Missing, Stale, Unwritten

PREFIX = "/v1"
AGAIN_SOON_S, AGAIN_LATER_S = 2, 5
"""Seconds of Retry-After: where places come free all the time, and where a model loads or a disk is full."""
LONGEST_RETRY_S = 60
"""OpenAI's clients wait so long at most; a longer wait is the person's to decide on, so they are told not to try."""
KINDS = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    409: ("invalid_request_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    421: ("invalid_request_error", "wrong_host"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "unavailable"),
}
INTERNAL = ("server_error", "internal_error")
STORAGE_STATUS = ((BadValue, 400), (Missing, 404), (Stale, 409), ((DiskFull, Unwritten), 503))

log = logging.getLogger(__name__)


class Problem(FlywheelError):
    """A request that fails: what is wrong, and which field of it is."""

    def __init__(
        self,
        status: int,
        words: str,
        *,
        param: str | None = None,
        code: str | None = None,
        allow: str = "",
        wait_s: float | None = None,
    ) -> None:
        super().__init__(words)
        self.status = status
        self.type, known = KINDS.get(status, INTERNAL)
        self.param, self.code = param, code or known
        self.allow = allow
        """The method that works at an address, where another was used."""
        self._wait_s = wait_s
        """Seconds until it is worth trying again, where they are known."""

    def body(self) -> str:
        """JSON text: `{"error": {message, type, param, code}}`, in ASCII whatever the message quotes."""
        told = {"message": escaped(str(self)), "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": told})

    def headers(self) -> Mapping[str, str]:
        """What the answer carries beside its body."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        if self.allow:
            return {"Allow": self.allow}
        usual = {429: AGAIN_SOON_S, 503: AGAIN_LATER_S}.get(self.status)
        wait = usual if self._wait_s is None else max(1, math.ceil(self._wait_s))
        if wait is None:
            return {}
        return {"Retry-After": str(wait)} | ({"X-Should-Retry": "false"} if wait > LONGEST_RETRY_S else {})


def problem_of(error: Exception) -> Problem:
    """The problem behind an error; one of ours keeps its words, any other is logged and told as a failure here."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, LimitReached):
        return Problem(error.status, words_of(error), wait_s=error.wait_s)
    if isinstance(error, PUBLIC):
        code = "queue_full" if isinstance(error, TooMany) else "turn_not_found" if isinstance(error, NotFound) else None
        return Problem(_status(error), words_of(error), code=code)
    log.error("a request failed", exc_info=error)
    return Problem(500, "The request failed here, and the log of the app says why. Try again; if it stays, report it.")


def _status(error: Exception) -> int:
    if isinstance(error, FlywheelError):
        return error.status
    return next((status for kind, status in STORAGE_STATUS if isinstance(error, kind)), 500)
