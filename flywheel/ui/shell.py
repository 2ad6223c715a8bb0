"""What a page is made with: who calls, where errors become words, page-open events, the strip of the wheel.

Pages import this; it imports no page. Knows the roles and the errors, and no service but the wheel's.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import gradio as gr
from gradio.context import Context

from flywheel.base_model import base_model
from flywheel.errors import PUBLIC, Forbidden
from flywheel.roles import ANONYMOUS, Principal, Role, require
from flywheel.services import Services
from flywheel.ui import markup, present
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

Handler = TypeVar("Handler", bound=Callable[..., Any])
log = logging.getLogger(__name__)

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""For every event: no public endpoint by name, no overlay over what a person is reading."""
STRIP_SECONDS = 5.0
QUIET = "says_nothing_of_roles"


def caller(request: gr.Request) -> Principal:
    """Who sends this event, as the server found out; ANONYMOUS when nothing says so."""
    state = getattr(request.request, "state", None)
    return cast(Principal, getattr(state, "who", ANONYMOUS))


def shown(handler: Handler) -> Handler:
    """Errors meant for people become a message on the page; any other one a plain sentence, and a log entry."""
    return _at_the_edge(handler, quiet=False)


def quietly(handler: Handler) -> Handler:
    """As `shown`, for events nobody clicked (page open, timers): what the role forbids leaves the page as it is."""
    return _at_the_edge(handler, quiet=True)


def guarded(handler: Handler, least: Role) -> Handler:
    """`handler`, reached only by callers with the role `least`. One that takes no `request` is reached by nobody."""

    def admit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        request = next((value for value in (*args, *kwargs.values()) if isinstance(value, gr.Request)), None)
        require(ANONYMOUS if request is None else caller(request), least)

    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            admit(args, kwargs)
            yield from handler(*args, **kwargs)

        return _at_the_edge(cast(Handler, stream), quiet=getattr(handler, QUIET, False))

    @functools.wraps(handler)
    def once(*args: Any, **kwargs: Any) -> Any:
        admit(args, kwargs)
        return handler(*args, **kwargs)

    return _at_the_edge(cast(Handler, once), quiet=getattr(handler, QUIET, False))


def on_open(handler: Callable[..., Any], **wiring: Any) -> Any:
    """Run `handler` when the page that is being built is opened. Data comes so, never as an initial value."""
    blocks = Context.root_block
    assert blocks is not None, "on_open belongs inside build()"
    return blocks.load(handler, **PRIVATE | wiring)


def role_words(role: Role) -> str:
    """A role as people read it."""
    return say(f"roles.{role.name.lower()}")


def elsewhere(services: Services, consequence: str) -> str:
    """A note on what cannot be done with a model at another server; empty where the model is here."""
    base = base_model(services.settings)
    words = f"{base.elsewhere(consequence)} {say('app.works_as_ever')}"
    return markup.note(words) if base.is_remote else ""


def strip(services: Services) -> None:
    """The strip of the wheel, kept up to date while the page is open."""
    _Strip(services).build()


def _at_the_edge(handler: Handler, *, quiet: bool) -> Handler:
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **kwargs)
            except Exception as error:
                yield _told(error, quiet, handler)

        setattr(stream, QUIET, quiet)
        return cast(Handler, stream)

    @functools.wraps(handler)
    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            return _told(error, quiet, handler)

    setattr(once, QUIET, quiet)
    return cast(Handler, once)


def _told(error: Exception, quiet: bool, handler: Callable[..., Any]) -> Any:
    """What the page gets for an error: nothing to change, or raises the message."""
    if isinstance(error, gr.Error):
        raise error
    if quiet and isinstance(error, Forbidden):
        return gr.skip()
    if isinstance(error, PUBLIC):
        raise gr.Error(markup.sentence(words_of(error)), print_exception=False) from error
    log.error("%s failed", handler.__qualname__, exc_info=error)
    raise gr.Error(say("app.our_fault"), print_exception=False) from error


def inform(text: str) -> None:
    """A message that passes."""
    gr.Info(markup.sentence(text))


class _Strip:
    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        html, timer = gr.HTML(elem_id="wheel"), gr.Timer(STRIP_SECONDS)
        on_open(self.read, outputs=[html], api_name="wheel_open")
        timer.tick(self.read, outputs=[html], api_name="wheel_tick", **PRIVATE)

    @quietly
    def read(self, request: gr.Request) -> str:
        return present.wheel_strip(self._services.wheel.status(caller(request)))
