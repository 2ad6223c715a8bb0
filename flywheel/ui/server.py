"""Serves the site: launch with what this product needs, tell the addresses, end cleanly on a signal.

Knows nothing of what the pages show.
"""

import inspect
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.chatbot import ChatbotDataMessages
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from flywheel import addresses
from flywheel.eventgate import Event, EventGate
from flywheel.roles import Principal, Role
from flywheel.routes import routes
from flywheel.services import Services
from flywheel.ui.look import look
from flywheel.ui.navigation import Navigation
from flywheel.ui.site import build_site
from flywheel.ui.space import sign_in
from flywheel.web import UPLOAD_LIMIT, RoleGate, outside

MOST_WAITING = 200
"""Events in the queue; beyond it a visitor is told to try again."""
MOST_THREADS = 80


class Server:
    """The running site. `start` returns its address; `wait` blocks until a signal; `stop` may be called at any time."""

    def __init__(self, services: Services) -> None:
        _describe_once()
        self._services = services
        self._site = build_site(services)
        self._ended = threading.Event()

    def start(self) -> str:
        """Listen, tell the home's lock the address, begin to follow runs. Raises Unavailable when the port is taken."""
        services, settings = self._services, self._services.settings
        self._site.queue(default_concurrency_limit=16, max_size=MOST_WAITING, api_open=False)
        try:
            self._site.launch(
                server_name=settings.server_name,
                server_port=settings.server_port,
                prevent_thread_lock=True,
                quiet=True,
                inbrowser=False,
                share=False,
                show_error=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                run_history=False,
                enable_monitoring=False,
                strict_cors=True,
                max_threads=MOST_THREADS,
                max_file_size=UPLOAD_LIMIT,
                allowed_paths=[],
                blocked_paths=[str(Path(services.home.path).resolve())],
                footer_links=[],
                app_kwargs=_application(services, self._event_of),
                **look(),
            )
        except OSError as error:
            raise addresses.not_listening(settings, error) from error
        services.url = addresses.local(settings)
        services.lock.set_url(services.url)
        services.worker.start()
        return services.url

    @property
    def events(self) -> dict[int, Any]:
        """Number → event, of all pages: everything a browser can call."""
        return dict(self._site.fns)

    def _event_of(self, number: int) -> Event | None:
        event = self._site.fns.get(number)
        return None if event is None else Event(str(event.api_name), len(event.inputs), _points(event.fn))

    @property
    def routes(self) -> list[str]:
        """The path of every route of the running server."""
        return _paths(self._site.server_app.routes)

    def wait(self) -> None:
        """Until SIGINT or SIGTERM arrives, or `stop` is called."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ended.set())
        # A plain wait() is not interrupted by signals on every platform; a short one is.
        while not self._ended.wait(0.5):
            pass

    def stop(self) -> None:
        """End the open streams, then the server; the services stay to be closed by who built them."""
        self._ended.set()
        self._services.live.close()
        if self._site.is_running:
            self._site.server_app.stop_event.set()
            self._site.close(verbose=False)


@cache
def _describe_once() -> None:
    """The library derives what a conversation may hold anew for every answer that ends: 5 ms, while all others wait."""
    schema = ChatbotDataMessages.model_json_schema()
    ChatbotDataMessages.model_json_schema = lambda: copy(schema)  # type: ignore[method-assign, assignment, misc]


def _application(services: Services, event_of: Callable[[int], Event | None]) -> dict[str, Any]:
    identity = services.identity

    def who(connection: HTTPConnection) -> Principal:
        found = identity.of(connection.cookies, connection.scope.get("session"))
        if found.role is not Role.GUEST:
            return found
        peer, passed_on = connection.client, ",".join(connection.headers.getlist("x-forwarded-for"))
        address = addresses.sender(peer.host if peer else "", passed_on, on_space=services.settings.is_space)
        return replace(found, address=address)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # The framework puts its own layers around any it is given; these must see a request before those do.
        assert app.middleware_stack is not None
        visitor = lambda connection: identity.first_cookie(connection.cookies)  # noqa: E731
        settings = services.settings
        app.middleware_stack = outside(
            app.middleware_stack, visitor, addresses.public_hosts(settings), addresses.accepted_hosts(settings)
        )
        yield

    signing_in = sign_in(services.settings)
    return {
        "routes": [*routes(services), *signing_in.routes],
        "middleware": [
            # The session first: the gates ask who it says a person is.
            *signing_in.middleware,
            Middleware(RoleGate, who=who),
            Middleware(EventGate, event_of=event_of),
            Middleware(Navigation),
        ],
        "lifespan": lifespan,
        "openapi_url": None,
        "docs_url": None,
        "redoc_url": None,
    }


def _points(handler: Callable[..., Any] | None) -> bool:
    """Whether a handler asks what was pointed at."""
    kinds = [parameter.annotation for parameter in inspect.signature(handler).parameters.values()] if handler else []
    return any(kind in (gr.SelectData, gr.LikeData) for kind in kinds)


def _paths(routes: Iterable[Any]) -> list[str]:
    found: list[str] = []
    for route in routes:
        inner = getattr(getattr(route, "original_router", None), "routes", None) or getattr(route, "routes", None)
        found += _paths(inner) if inner else [route.path]
    return found
