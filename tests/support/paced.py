"""An answer that is written piece by piece, at a pace and from a moment of the test's own."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from flywheel.serving.engine import Generation, Stream
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
