"""The edge of a handler: what a person reads when something goes wrong, and what stays in the log."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from flywheel.errors import Forbidden, InvalidInput
from flywheel.roles import ANONYMOUS, Principal, Role
from flywheel.ui.shell import caller, guarded, quietly, shown
from flywheel.words.catalogue import say
from storage.errors import StorageError


def failing(error: Exception) -> Callable[[], None]:
    def handler() -> None:
        raise error

    return handler


def streaming(error: Exception) -> Callable[[], Iterator[int]]:
    def handler() -> Iterator[int]:
        yield 1
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidInput("`x` is wrong. Give a y."), "<code>x</code> is wrong. Give a y."),
        (StorageError("The disk is full."), "The disk is full."),
    ],
)
def test_words_for_people_are_shown(error: Exception, words: str) -> None:
    with pytest.raises(gr.Error) as raised:
        shown(failing(error))()
    assert raised.value.message == words
    with pytest.raises(gr.Error) as raised:
        list(shown(streaming(error))())
    assert raised.value.message == words


def test_words_for_people_are_escaped() -> None:
    with pytest.raises(gr.Error) as raised:
        shown(failing(InvalidInput("`<img src=x>` is wrong.")))()
    assert "<img" not in raised.value.message


@pytest.mark.parametrize("make", [failing, streaming])
def test_other_errors_are_logged_and_not_shown(make: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(gr.Error) as raised:
        list(shown(make(KeyError("a secret path")))() or [])
    assert raised.value.message == say("app.our_fault") and "secret" not in str(raised.value)
    assert "a secret path" in caplog.text and "Traceback" in caplog.text


def test_what_nobody_clicked_stays_quiet_about_roles() -> None:
    assert quietly(failing(Forbidden("no")))() == gr.skip()
    assert list(quietly(streaming(Forbidden("no")))()) == [1, gr.skip()]
    with pytest.raises(gr.Error):
        quietly(failing(InvalidInput("wrong")))()


def test_closing_a_stream_reaches_the_handler() -> None:
    ended = []

    def handler() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    stream = shown(handler)()
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ended


def test_handler_keeps_its_signature() -> None:
    def handler(text: str, request: gr.Request) -> None: ...

    assert inspect.signature(shown(handler)) == inspect.signature(handler)


def test_caller_is_who_the_server_found() -> None:
    ann = Principal("local:reviewer:ann", Role.REVIEWER)
    scope = {"type": "http", "headers": []}
    assert caller(gr.Request(Request({**scope, "state": {"who": ann}}))) == ann
    assert caller(gr.Request(Request({**scope, "state": {}}))) is ANONYMOUS
    assert caller(gr.Request(username="owner")) is ANONYMOUS


def asked_by(who: Principal) -> gr.Request:
    return gr.Request(Request({"type": "http", "headers": [], "state": {"who": who}}))


def test_guarded_handler_needs_its_role() -> None:
    def handler(text: str, request: gr.Request) -> str:
        return text

    guest, reviewer = Principal("guest:1", Role.GUEST), Principal("local:reviewer:ann", Role.REVIEWER)
    behind = guarded(shown(handler), Role.REVIEWER)
    assert behind("x", asked_by(reviewer)) == "x"
    for who in (guest, ANONYMOUS):
        with pytest.raises(gr.Error):
            behind("x", asked_by(who))
        assert guarded(quietly(handler), Role.REVIEWER)("x", asked_by(who)) == gr.skip()


def test_guarded_stream_needs_its_role() -> None:
    def handler(request: gr.Request) -> Iterator[int]:
        yield 1

    behind = guarded(shown(handler), Role.GUEST)
    assert list(behind(asked_by(Principal("guest:1", Role.GUEST)))) == [1]
    with pytest.raises(gr.Error):
        list(behind(asked_by(ANONYMOUS)))


def test_handler_that_asks_nobody_is_reached_by_nobody() -> None:
    with pytest.raises(gr.Error):
        guarded(shown(lambda: "data"), Role.GUEST)()
