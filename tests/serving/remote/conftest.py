"""A server that behaves and misbehaves, and engines for it."""

from collections.abc import Callable, Iterator

import pytest

from flywheel.serving.remote import RemoteEngine
from flywheel.serving.remote_answer import Timing
from tests.support.openai_server import OpenAIServer, openai_server
from tests.support.remote import QUICK


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Callable[..., RemoteEngine]]:
    """Make an engine for a server and wait until it was looked at; closed at the end."""
    engines: list[RemoteEngine] = []

    def connected(server: OpenAIServer, model: str = "parrot", key: str = "", timing: Timing = QUICK) -> RemoteEngine:
        engines.append(RemoteEngine(server.url, model, key, timing=timing))
        engines[-1].wait_ready(30)
        return engines[-1]

    yield connected
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> RemoteEngine:
    engine = connect(server)
    assert engine.ready() == (True, f"`parrot` answers at `{server.url}`")
    return engine
