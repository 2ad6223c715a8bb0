"""Asking a remote engine, with the short patience of tests."""

import time
from collections.abc import Callable

from flywheel.serving.engine import Generation, Sampling
from flywheel.serving.remote import RemoteEngine
from flywheel.serving.remote_answer import Timing

HELLO = [{"role": "user", "content": "hello there"}]
QUICK = Timing(
    connect=1.0, silence=0.5, first_pause=0.02, longest_pause=0.1, probe=1.0, recheck=0.1, longest_recheck=0.1
)
KEY = "sk-very-secret"


def ask(engine: RemoteEngine, messages: list[dict[str, str]] = HELLO, **sampling: object) -> Generation:
    return engine.submit(messages, "v0", Sampling(**sampling)).result()  # type: ignore[arg-type]


def until(fact: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
