"""What stands between the network and the pages: origin, size, role, headers, and the cookie of a first visit.

ASGI layers over any application, each a small class; `outside` puts those together that must see a request before any
other layer of the web framework does, `RoleGate` stands inside, where a Hugging Face session is already read.
Knows the table of routes (`census`), and nothing of what lies behind them.
"""

from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flywheel import census
from flywheel.problem import PREFIX, Problem
from flywheel.roles import Principal
from flywheel.words.catalogue import say

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
UPLOAD = "/gradio_api/upload"
BODY_LIMIT = 1_000_000
UPLOAD_LIMIT = 50_000_000
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # The front end is built around inline scripts; its charts compile their specification.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def outside(
    app: ASGIApp,
    visitor: Callable[[HTTPConnection], str | None],
    hosts: Collection[str] = frozenset(),
    accepted: Collection[str] | None = None,
) -> ASGIApp:
    """The outermost layers. `visitor` gives the Set-Cookie header for who has no cookie yet, else None.

    `hosts`: our own public ones, where a proxy stands before us that may not pass them on. `accepted`: the names that a
    request may come under; None: any.
    """
    return SecurityHeaders(HostGuard(OriginGuard(BodyLimit(FirstVisit(app, visitor)), hosts), accepted))


def _refusal(scope: Scope, status: int, words: str) -> Response:
    """In plain text for people, in OpenAI's error shape for programs."""
    if scope["path"] != PREFIX and not scope["path"].startswith(f"{PREFIX}/"):
        return PlainTextResponse(words, status)
    return Response(Problem(status, words).body(), status, media_type="application/json")


class SecurityHeaders:
    """Sets the headers that bound what a page may do, on every answer; no other site is ever let in by CORS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    del headers[name]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class HostGuard:
    """Answers 421 to requests for another name: a page whose name was made to point here must read nothing."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._hosts is not None:
            host = Headers(scope=scope).get("host", "")
            if _name_of(host) not in self._hosts:
                await _refusal(scope, 421, say("error.web.other_name", host=host[:100]))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name_of(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class OriginGuard:
    """Refuses what a page of another site sends: a signed-in person's cookie must not work for it."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = frozenset()) -> None:
        self._app, self._own = app, {f"https://{host}" for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_foreign(scope["method"], Headers(scope=scope)):
            await _refusal(scope, 403, say("error.web.other_site"))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_foreign(self, method: str, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin in self._own:
            return False
        if origin is not None:
            # A browser lets no other site set X-Forwarded-Host without a preflight, and that is refused here too.
            host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
            try:
                return urlsplit(origin).netloc != host
            except ValueError:
                return True
        site = headers.get("sec-fetch-site", "none")
        return method not in SAFE_METHODS and site not in ("none", "same-origin")


class BodyLimit:
    """Answers 413 to a body over 1 MB (an upload: 50 MB), whether its length is declared or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = UPLOAD_LIMIT if scope["path"].startswith(UPLOAD) else BODY_LIMIT
        refusal = _refusal(scope, 413, say("error.web.too_large", most=limit // 1_000_000))
        refusal.headers["Connection"] = "close"
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > limit:
            await refusal(scope, receive, send)
            return
        counted = _Counted(receive, send, limit)
        try:
            await self._app(scope, counted.receive, counted.send)
        except ClientDisconnect:
            if not counted.over:
                raise
        if counted.over and not counted.started:
            await refusal(scope, receive, send)


class _Counted:
    """One request whose body is counted while it is read; over the limit it ends as if the client had gone."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._seen = 0
        self.over = False
        self.started = False

    async def receive(self) -> Message:
        if self.over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self.over = self._seen > self._limit
        return {"type": "http.disconnect"} if self.over else message

    async def send(self, message: Message) -> None:
        if self.over and not self.started:
            return
        self.started = True
        await self._send(message)


class FirstVisit:
    """Gives a browser its cookie when it loads a page without one."""

    def __init__(self, app: ASGIApp, visitor: Callable[[HTTPConnection], str | None]) -> None:
        self._app, self._visitor = app, visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in census.PAGES
        cookie = self._visitor(HTTPConnection(scope)) if is_page else None

        async def with_cookie(message: Message) -> None:
            if cookie is not None and message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                headers.append("Set-Cookie", cookie)
                headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, with_cookie)


class RoleGate:
    """Lets through what `census` declares, to those who have the role for it. All else is answered as not there.

    The Principal is left in the request's state as `who`, for whatever handles it.
    """

    def __init__(self, app: ASGIApp, who: Callable[[HTTPConnection], Principal]) -> None:
        self._app, self._who = app, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        elif refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        role = census.least_role(scope["path"])
        if role is census.CLOSED:
            return _refusal(scope, 404, say("error.web.nothing_here"))
        who = self._who(HTTPConnection(scope))
        scope.setdefault("state", {})["who"] = who
        if who.role >= role:
            return None
        return _refusal(scope, 403, say("error.web.role", role=role.name.lower()))
