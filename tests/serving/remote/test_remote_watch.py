"""Whether a model at another server is there, and what is told when it is not."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from flywheel.errors import Unavailable
from flywheel.serving.remote import RemoteEngine
from tests.support.openai_server import OpenAIServer
from tests.support.remote import HELLO, KEY, QUICK, ask, until


def test_server_that_is_down_comes_back_by_itself(connect: Callable[..., RemoteEngine]) -> None:
    server = OpenAIServer()
    server.start()
    server.stop()
    engine = connect(server)
    ready, words = engine.ready()
    assert not ready and words.startswith(f"`{server.url}` cannot be reached (") and "OPENAI_BASE_URL" in words
    with pytest.raises(Unavailable, match="cannot be reached"):
        engine.check(HELLO)
    try:
        server.start()
        until(lambda: engine.ready()[0])
        assert ask(engine).text == "You said: hello there"
    finally:
        server.stop()


def test_server_that_goes_down_is_noticed(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.stop()
    until(lambda: not engine.ready()[0])
    assert "cannot be reached" in engine.ready()[1]
    server.start()
    until(lambda: engine.ready()[0])
    assert ask(engine).finish_reason == "stop"


def test_answer_that_cannot_reach_it_says_so(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    engine = connect(server, timing=replace(QUICK, recheck=600))
    server.stop()
    assert "cannot be reached" in str(ask(engine).error)
    assert not engine.ready()[0]
    server.start()
    until(lambda: engine.ready()[0])


def test_wrong_key_is_told_and_never_shown(
    server: OpenAIServer, connect: Callable[..., RemoteEngine], caplog: pytest.LogCaptureFixture
) -> None:
    server.key = "another"
    with caplog.at_level(logging.DEBUG):
        engine = connect(server, key=KEY)
    ready, words = engine.ready()
    assert not ready
    assert words == f"`{server.url}` refuses the key in OPENAI_API_KEY (401); set it to a key of that server"
    assert KEY not in caplog.text and KEY not in repr(engine) + repr(vars(engine))


def test_missing_key_is_told(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    server.key = KEY
    assert "wants a key, and OPENAI_API_KEY is empty" in connect(server).ready()[1]
    assert connect(server, key=KEY).ready()[0]


def test_key_that_a_server_repeats_is_taken_out(
    server: OpenAIServer, connect: Callable[..., RemoteEngine], caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect(server, key=KEY)
    server.failing.append((400, {}, {"error": {"message": f"no such right: Bearer {KEY}"}}))
    with caplog.at_level(logging.DEBUG):
        assert "no such right: Bearer …" in str(ask(engine).error)
    assert KEY not in caplog.text


def test_unknown_model_is_told_with_those_there(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    ready, words = connect(server, model="cockatoo").ready()
    assert not ready
    assert words.startswith(f"`{server.url}` has no model `cockatoo` (it has `parrot`); set FLYWHEEL_BASE_MODEL")


def test_model_under_another_name_is_tried(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    server.models = {}
    engine = connect(server, model="alias")
    assert engine.ready()[0]
    assert server.asked[0]["max_tokens"] == 1


def test_server_without_a_list_is_alive(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    server.models = None
    engine = connect(server)
    assert engine.ready()[0]
    assert ask(engine).text == "You said: hello there"


def test_wrong_address_is_told(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    engine = RemoteEngine(server.url.removesuffix("/v1"), "parrot", timing=QUICK)
    try:
        ready, words = engine.wait_ready(30)
        assert not ready and "has no `/chat/completions` (404)" in words and "`/v1`" in words
    finally:
        engine.close()
