"""The Hub's own client, made to end: every request has a time-out, no retry happens behind our back, errors get words.

The client's requests have no time-out of their own, some are retried for minutes and others never. So its HTTP client
is replaced by one that waits a bounded time and turns an overload into an exception that the client does not retry; the
one policy of retries is that of `storage.hub_calls`. Imported when the Hub is first used: it takes a third of a second.
"""

import contextlib
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

from storage.errors import HubBusy, HubConflict, HubDenied, HubError, HubMissing
from storage.hub_calls import strange

BUSY = (408, 429, 500, 502, 503, 504)
LIBRARY = "flywheel"
PACKED = ("content-encoding", "content-length", "transfer-encoding")
TIMES = ("connect", "read", "write", "pool")
MOST_WAIT_S = 3600.0
"""The longest wait that is obeyed, or told to a person, where the Hub asks for one."""
MOST_ANSWER = 64 << 20
"""Bytes of an answer that is read as a whole; files come as streams and have sizes that are known."""
MOST_TIMES = 4
"""So many time-outs long may a whole answer take, however steadily it trickles."""
sent: list[Callable[[int], None]] = []
"""Told the bytes of each piece of a large file that is sent, whoever sends it."""


class Unanswered(RuntimeError):
    """No answer: `seconds` were waited for it in vain, or (0) the connection failed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer after {seconds:g} s" if seconds else "the connection failed")
        self.seconds = seconds


class Endless(RuntimeError):
    """An answer that went on and on."""


class Overloaded(RuntimeError):
    """A status that may pass. Not the client's error class, which it would retry."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.status = response.status_code
        self.retry_after_s = _retry_after(response.headers)


class BoundedClient(httpx2.Client):
    """The HTTP client of the Hub's client. `timeout_s` is how long to wait without a byte, wherever none is set."""

    timeout_s = 30.0

    def send(self, request: httpx2.Request, **given: Any) -> httpx2.Response:
        times = request.extensions.get("timeout", {})
        bounded = {name: times.get(name) or self.timeout_s for name in TIMES}
        request.extensions = {**request.extensions, "timeout": bounded}
        if request.method == "PUT" and isinstance(request.stream, httpx2.SyncByteStream):
            request.stream = _Counted(request.stream)
        if not _is_ours(request):
            return super().send(request, **given)
        try:
            streams = given.pop("stream", False)
            response = super().send(request, stream=True, **given)
            if not streams:
                response = _whole(response, self.timeout_s)
        except httpx2.TimeoutException as error:
            raise Unanswered(self.timeout_s) from error
        except httpx2.TransportError as error:
            raise Unanswered(0) from error
        if response.status_code in BUSY:
            response.close()
            raise Overloaded(response)
        return response


def _whole(response: httpx2.Response, timeout_s: float) -> httpx2.Response:
    """The answer, read. Raises Endless where it does not end within MOST_ANSWER bytes and MOST_TIMES time-outs."""
    until, parts, size = time.monotonic() + MOST_TIMES * timeout_s, [], 0
    with contextlib.closing(response):
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_ANSWER or time.monotonic() > until:
                raise Endless
    # What was packed is unpacked by now.
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in PACKED]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        content=b"".join(parts),
        request=response.request,
        extensions=response.extensions,
        history=response.history,
    )


class _Counted(httpx2.SyncByteStream):
    """A request's body that tells `sent` of each piece."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            yield piece
            for told in list(sent):
                told(len(piece))

    def close(self) -> None:
        self._stream.close()


def make_api(endpoint: str, token: str | None, timeout_s: float) -> HfApi:
    """The Hub's client for one account. `timeout_s` holds for all requests of this process from now on."""
    BoundedClient.timeout_s = timeout_s
    return HfApi(endpoint=endpoint, token=token or False, library_name=LIBRARY)


def _is_ours(request: httpx2.Request) -> bool:
    """Asked by this product, not by another library in this process. The bytes of large files carry no name."""
    return request.method == "PUT" or LIBRARY in request.headers.get("User-Agent", "")


def _bounded_client() -> BoundedClient:
    plain = default_client_factory()
    plain.close()
    return BoundedClient(event_hooks=plain.event_hooks, follow_redirects=True, timeout=None)


set_client_factory(_bounded_client)
disable_progress_bars()
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def explained(error: Exception, what: str, repo: str, endpoint: str, token: str | None) -> HubError | None:
    """The error in words: what was being done (`commit to`), with what, what to do. None: not the Hub's fault."""
    for cause in _causes(error):
        if isinstance(cause, HubError):
            return cause
        if isinstance(cause, Overloaded):
            return _overloaded(cause, endpoint)
        if isinstance(cause, OfflineModeIsEnabled):
            return HubBusy("The Hub is switched off here by HF_HUB_OFFLINE. Unset it to reach the Hub.")
        if isinstance(cause, Unanswered | httpx2.TransportError):
            return _unreachable(cause, endpoint)
        if isinstance(cause, Endless):
            return strange(endpoint)
        if isinstance(cause, httpx2.RequestError | json.JSONDecodeError) or _is_misread(cause):
            return strange(endpoint)
        if isinstance(cause, HfHubHTTPError):
            return _refused(cause, what, repo, endpoint, token)
        if isinstance(cause, HFValidationError):
            return HubError(f"`{repo}` is no name of a repository on the Hub. Give one such as `name/model`.", 400)
        if "xet" in str(cause) and isinstance(cause, ConnectionError | RuntimeError):
            words = f"{endpoint} does not take large files by xet. Set HF_HUB_DISABLE_XET=1 and try again."
            return HubError(words)
        if isinstance(cause, ValueError) and "README.md" in str(cause):
            return HubError(f"The Hub refuses the model card: {' '.join(str(cause).split())}", 400)
        if isinstance(cause, OSError) and "Consistency check" in str(cause):
            return HubBusy(f"What came from {endpoint} broke off. Try again: it goes on where it was.")
    return None


def _is_misread(error: BaseException) -> bool:
    """The Hub's client stumbled over an answer of another shape than it knows."""
    if not isinstance(error, KeyError | TypeError | AttributeError):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("huggingface_hub.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _overloaded(error: Overloaded, endpoint: str) -> HubBusy:
    wait = f"in {error.retry_after_s:.0f} s" if error.retry_after_s else "in a minute"
    if error.status == 429:
        words = f"The Hub ({endpoint}) asks for fewer requests (429). Try again {wait}."
    else:
        words = f"The Hub ({endpoint}) failed with status {error.status}. Try again {wait}."
    return HubBusy(words, error.status, error.retry_after_s)


def _unreachable(error: Unanswered | httpx2.TransportError, endpoint: str) -> HubBusy:
    if isinstance(error, Unanswered) and error.seconds:
        return HubBusy(f"The Hub ({endpoint}) did not answer for {error.seconds:g} s. Try again in a minute.")
    return HubBusy(f"The Hub ({endpoint}) cannot be reached. Check the network, and HF_ENDPOINT if it is set.")


def _refused(error: HfHubHTTPError, what: str, repo: str, endpoint: str, token: str | None) -> HubError:
    status = error.response.status_code
    said = error.response.headers.get("X-Error-Message") or error.server_message or ""
    said = f": {' '.join(said.split())[:300]}" if said else ""
    if isinstance(error, RepositoryNotFoundError):
        hint = "or the token in HF_TOKEN may not see it" if token else "or it is private: set HF_TOKEN to see it"
        return HubMissing(f"The Hub ({endpoint}) has no `{repo}`, {hint}. Check the name.", status)
    if isinstance(error, RevisionNotFoundError):
        return HubMissing(f"`{repo}` has no such revision{said}. Give a branch, a tag or a commit of it.", status)
    if isinstance(error, EntryNotFoundError) or status == 404:
        return HubMissing(f"The Hub did not find what to {what} in `{repo}`{said}.", status)
    if status == 401:
        return _unknown_token(what, repo, endpoint, token)
    if status == 403:
        words = (
            f"The token in HF_TOKEN may not {what} `{repo}` (403{said}). Set one that may: {endpoint}/settings/tokens"
        )
        return HubDenied(words, status)
    if status in (409, 412):
        return HubConflict(f"`{repo}` changed meanwhile, or has this already ({status}{said}). Try again.", status)
    if status == 413:
        return HubError(f"This is too large to {what} `{repo}` at once (413{said}). Send less.", status)
    return HubError(f"The Hub ({endpoint}) refused to {what}{f' `{repo}`' if repo else ''} ({status}{said}).", status)


def _unknown_token(what: str, repo: str, endpoint: str, token: str | None) -> HubDenied:
    problem = "does not know the token in HF_TOKEN" if token else f"lets nobody {what} `{repo}` without a token"
    return HubDenied(f"The Hub ({endpoint}) {problem} (401). Set HF_TOKEN: {endpoint}/settings/tokens", 401)


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that the Hub asks to wait: `Retry-After`, or the reset time of its rate limit (`"api";r=0;t=12`)."""
    given = headers.get("Retry-After", "")
    for part in headers.get("RateLimit", "").split(";"):
        if part.strip().startswith("t=") and not given:
            given = part.strip()[2:]
    seconds = float(given) if given.isascii() and given.isdigit() else 0.0
    # The Hub counts requests over minutes. Who asks for days is mistaken, or no Hub.
    return seconds if 0 < seconds <= MOST_WAIT_S else None
