"""Answers at a pace of the test's own: from pieces of its own, or from a model that takes its time."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from flywheel.serving.engine import Generation, Stream
from flywheel.serving.local_models import _Slot
from tests.support.app import App


def paced(app: App, monkeypatch: pytest.MonkeyPatch, pieces: Sequence[str], pause_s: float) -> threading.Event:
    """Every answer of the app is these pieces from now on; they begin to come when the event is set."""
    begin = threading.Event()

    def submit(messages: Any, version: str, sampling: Any) -> Stream:
        waiting = Generation("", "stop", version, app.services.engine.base, "full", 1)
        stream = Stream(waiting, 60.0)
        stream.take()

        def write() -> None:
            begin.wait(20)
            for piece in pieces:
                stream.put(piece)
                time.sleep(pause_s)
            stream.finish(replace(waiting, text="".join(pieces), completion_tokens=len(pieces)))

        threading.Thread(target=write, daemon=True).start()
        return stream

    monkeypatch.setattr(app.services.engine, "submit", submit)
    return begin


def slowed(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Every step of a model in this process takes so much longer from now on."""
    select = _Slot.select

    def slowly(slot: _Slot, version: str) -> Any:
        time.sleep(seconds)
        return select(slot, version)

    monkeypatch.setattr(_Slot, "select", slowly)
