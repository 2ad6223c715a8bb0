"""What an event may carry: looked at before the page library fetches any file that is named in it.

The library loads files and addresses named in an event before the handler, and so before any check of the caller. Here
an event must be one that exists, and a file in it must be an uploaded one, sent by somebody who may upload.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flywheel.roles import ANONYMOUS, Role

JOIN = "/gradio_api/queue/join"
FILE_EVENTS = {"data_import": Role.REVIEWER}
"""Events that take an uploaded file, and the least role for it."""
DEEPEST = 50


class EventGate:
    """Refuses events that do not exist or name files they must not; stands where the caller is known."""

    def __init__(self, app: ASGIApp, name_of: Callable[[int], str | None]) -> None:
        """`name_of` gives an event's name by its number, None for a number that is none."""
        self._app, self._name_of = app, name_of

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
            event = json.loads(body)
            number, data = event["fn_index"], event.get("data")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "The event is not understood. Reload the page and try again."
        name = self._name_of(number) if type(number) is int else None
        if name is None:
            return f"There is no event `{str(number)[:20]}`. Reload the page and try again."
        if not _names_a_file(data):
            return None
        who = getattr(HTTPConnection(scope).state, "who", ANONYMOUS)
        if name in FILE_EVENTS and who.role >= FILE_EVENTS[name] and not _names_an_address(data):
            return None
        return "This event takes no file. Upload it on the Data page instead."


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
