"""What an event may carry: looked at before the page library fetches any file that is named in it.

The library loads files and addresses named in an event before the handler, and so before any check of the caller. Here
an event must be one that exists, with as many inputs as it takes, and a file in it must be an uploaded one, sent by
somebody who may upload. What is malformed would otherwise fail inside the library, which prints it all to the log.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flywheel.roles import ANONYMOUS, Role
from flywheel.words.catalogue import say

JOIN = "/gradio_api/queue/join"
FILE_EVENTS = {"data_import": Role.REVIEWER, "data_synthesize": Role.REVIEWER}
"""Events that take an uploaded file, and the least role for it."""
DEEPEST = 50


@dataclass(frozen=True)
class Event:
    """What an event takes."""

    name: str
    inputs: int
    """At least so many values."""
    points: bool = False
    """It says what was pointed at: an index and a value."""


class EventGate:
    """Refuses events that do not exist or name files they must not; stands where the caller is known."""

    def __init__(self, app: ASGIApp, event_of: Callable[[int], Event | None]) -> None:
        """`event_of` gives an event by its number, None for a number that is none."""
        self._app, self._event_of = app, event_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != JOIN or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, ended = await _whole(receive)
        if ended:
            return
        if words := self._problem(scope, body):
            await PlainTextResponse(words, 400)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)

    def _problem(self, scope: Scope, body: bytes) -> str | None:
        try:
            sent = json.loads(body)
            number, data, pointed = sent["fn_index"], sent.get("data"), sent.get("event_data")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return say("error.event.not_understood")
        event = self._event_of(number) if type(number) is int else None
        if event is None:
            return say("error.event.unknown", event=str(number)[:20])
        if not _is_whole(event, data, pointed):
            return say("error.event.not_whole")
        if not _names_a_file(data):
            return None
        who = getattr(HTTPConnection(scope).state, "who", ANONYMOUS)
        if event.name in FILE_EVENTS and who.role >= FILE_EVENTS[event.name] and not _names_an_address(data):
            return None
        return say("error.event.no_file")


def _is_whole(event: Event, data: Any, pointed: Any) -> bool:
    if event.inputs and not (isinstance(data, list) and len(data) >= event.inputs):
        return False
    return not event.points or (isinstance(pointed, dict) and {"index", "value"} <= set(pointed))


def _names_a_file(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return "path" in value or any(_names_a_file(inner, depth + 1) for inner in value.values())
    # Deeper than any event of ours goes: treated as hiding something.
    return isinstance(value, list) and (depth > DEEPEST or any(_names_a_file(inner, depth + 1) for inner in value))


def _names_an_address(value: Any) -> bool:
    if isinstance(value, dict):
        path = value.get("path")
        return "://" in str(path) or any(_names_an_address(inner) for inner in value.values() if inner is not path)
    if isinstance(value, list):
        return any(_names_an_address(inner) for inner in value)
    return False


async def _whole(receive: Receive) -> tuple[bytes, bool]:
    """The body, bounded by the layer outside; and whether the client went away before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", True
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts), False


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read once more, then what really comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
