"""The navigation names to a visitor the pages that their role may read; the others stay reachable by address.

A layer over the page library: it knows how a page's HTML carries the list of pages. What is named bounds nothing: the
services check the role.
"""

import json

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flywheel import census
from flywheel.roles import ANONYMOUS, Role

HEAD_ENDS = b"</head>"
LEAVE_OUT = "<script>for (const page of gradio_config.pages) if ({paths}.includes(page[0])) page[2] = false;</script>"
"""The front end starts after the head is read, so nothing is drawn that then goes. A page: path, title, is it named."""


class Navigation:
    """Tells each page, while it is sent, what its visitor's navigation leaves out. Stands inside `RoleGate`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in census.PAGES
        if not is_page:
            await self._app(scope, receive, send)
            return
        who = scope.get("state", {}).get("who", ANONYMOUS)
        await self._app(scope, receive, _Page(send, left_out(who.role)).send)


def left_out(role: Role) -> list[str]:
    """The paths that are not named to this role, without their slash. Who has no cookie yet is a guest from then on."""
    role = max(role, Role.GUEST)
    return [path.removeprefix("/") for path, least in census.PAGES.items() if role < least]


class _Page:
    """One answer on its way: its start waits for the body, whose length changes."""

    def __init__(self, send: Send, paths: list[str]) -> None:
        self._send = send
        self._start: Message = {}
        self._script = LEAVE_OUT.format(paths=json.dumps(paths)).encode() if paths else b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start:
            message = self._with_script(message)
            await self._send(self._start)
            self._start = {}
        await self._send(message)

    def _with_script(self, message: Message) -> Message:
        headers, body = MutableHeaders(scope=self._start), message.get("body", b"")
        if message.get("more_body") or not headers.get("content-type", "").startswith("text/html"):
            return message
        body = body.replace(HEAD_ENDS, self._script + HEAD_ENDS, 1)
        headers["content-length"] = str(len(body))
        return {**message, "body": body}
