"""What a server's errors mean, in words fit for a person: what is wrong, with the value set, and what to do.

Knows the errors of the `openai` package and nothing of how requests are made. No key is ever part of a sentence.
"""

import email.utils
import math
import re
import time
from dataclasses import dataclass, field

import openai

from flywheel.words.catalogue import say

MOST_TOLD = 240
"""Characters of a server's own message that are passed on."""
MOST_NAMES = 8
NEVER_CONNECTED = ("ConnectError", "ConnectTimeout", "PoolTimeout")
BUSY = (408, 409, 429, 500, 502, 503, 504, 529)
TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|too many tokens|prompt is too long|n_ctx", re.IGNORECASE
)
NO_MODEL = re.compile(
    r"model\b.{0,120}\b(?:not found|not exist|unknown)|not a valid model|(?:unknown|invalid|no such) model",
    re.IGNORECASE,
)
LIMITS = (
    re.compile(r"maximum context length (?:is|of) (\d+)", re.IGNORECASE),
    re.compile(r"context (?:size|window|length)[^\d]{0,20}(\d{3,})", re.IGNORECASE),
    re.compile(r"n_ctx\W{1,4}(\d+)"),
)


@dataclass(frozen=True)
class Server:
    """Where the model runs, and what it is called there."""

    url: str
    model: str
    key: str = field(repr=False)


class NoProtocol(Exception):
    """What answers is no OpenAI-compatible server."""


def is_key_refused(error: Exception) -> bool:
    """The server does not let us in."""
    return isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError)


def is_unknown_model(error: Exception) -> bool:
    """The server is there and has no model of that name."""
    if not isinstance(error, openai.NotFoundError | openai.BadRequestError):
        return False
    told = _told(error)
    if isinstance(error, openai.NotFoundError):
        return "model" in told.lower()
    return error.code == "model_not_found" or NO_MODEL.search(told) is not None


def is_too_long(error: Exception) -> bool:
    """The prompt does not fit the model's context."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 413, 422, 500):
        return False
    return error.code == "context_length_exceeded" or TOO_LONG.search(_told(error)) is not None


def limit_named(error: Exception) -> int | None:
    """The context length that a refusal names, in tokens."""
    found = (pattern.search(_told(error)) for pattern in LIMITS)
    return next((int(match.group(1)) for match in found if match), None)


def is_unreachable(error: Exception) -> bool:
    """No connection came about, or it broke; a server that only takes its time is there."""
    return isinstance(error, openai.APIConnectionError) and not _is_silence(error)


def is_passing(error: Exception) -> bool:
    """Trying the same again in a moment may help."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in BUSY and error.code != "insufficient_quota" and not is_too_long(error)
    return is_unreachable(error)


def retry_after(error: Exception) -> float | None:
    """Seconds that the server asks to wait (`Retry-After`, a number or a date); None when it does not say."""
    if not isinstance(error, openai.APIStatusError):
        return None
    given = error.response.headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        when = email.utils.parsedate_tz(given)
        return max(0.0, email.utils.mktime_tz(when) - time.time()) if when else None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def explain(error: Exception, server: Server, known: tuple[str, ...] = ()) -> str:
    """What is wrong, without a full stop, and what to do; `known` are the models that the server has."""
    if is_key_refused(error):
        return _of_key(error, server)
    if is_unknown_model(error):
        return unknown_model(server, known)
    if is_too_long(error):
        return say("server.too_long", model=server.model)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, server)
    if isinstance(error, openai.APIConnectionError):
        return _of_connection(error, server)
    if isinstance(error, openai.APIError):
        return say("server.failed_midway", url=server.url, told=_shown(error, server))
    return say("server.other_kind", url=server.url)


def unknown_model(server: Server, known: tuple[str, ...]) -> str:
    """The server has no such model."""
    others = ", ".join(f"`{name[:80]}`" for name in known[:MOST_NAMES])
    has = "has_more" if len(known) > MOST_NAMES else "has"
    told = f" ({say(f'server.{has}', models=others)})" if others else ""
    return say("server.no_model", url=server.url, model=server.model, others=told)


def _of_key(error: Exception, server: Server) -> str:
    if not server.key:
        return say("server.wants_key", url=server.url)
    if isinstance(error, openai.PermissionDeniedError):
        told = _shown(error, server)
        return say("server.not_allowed", url=server.url, told=told)
    return say("server.key_refused", url=server.url)


def _of_status(error: openai.APIStatusError, server: Server) -> str:
    status = error.status_code
    if status == 404:
        return say("server.no_path", url=server.url)
    if error.code == "insufficient_quota":
        return say("server.no_credit", url=server.url)
    if status == 429:
        wait = retry_after(error)
        if wait:
            return say("server.busy_for", url=server.url, seconds=f"{wait:.0f}")
        return say("server.busy", url=server.url)
    if status in BUSY:
        return say("server.failed", url=server.url, status=status)
    return say("server.refuses", url=server.url, status=status, told=_shown(error, server))


def _of_connection(error: openai.APIConnectionError, server: Server) -> str:
    if _is_silence(error):
        return say("server.silent", url=server.url)
    reason = " ".join(str(error.__cause__ or "").split())[:MOST_TOLD] or say("server.no_connection")
    if _cause(error) in NEVER_CONNECTED:
        return say("server.unreachable", url=server.url, reason=reason)
    return say("server.broke", url=server.url, reason=reason)


def _is_silence(error: Exception) -> bool:
    return isinstance(error, openai.APITimeoutError) and _cause(error) not in NEVER_CONNECTED


def _cause(error: Exception) -> str:
    # By name: the HTTP library under the client is not ours to import.
    return type(error.__cause__).__name__


def _told(error: Exception) -> str:
    return f"{error} {getattr(error, 'body', '')}"


def _shown(error: openai.APIError, server: Server) -> str:
    """The server's own words on one line; a key that it repeats is taken out."""
    body = error.body
    nested = body.get("message") if isinstance(body, dict) else body
    words = nested if isinstance(nested, str) and nested.strip() else error.message
    words = " ".join(words.split())
    words = words.replace(server.key, "…") if server.key else words
    return words if len(words) <= MOST_TOLD else words[: MOST_TOLD - 1] + "…"
