"""Many answers at once: what fails, fails alone, and memory has a bound."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from flywheel.errors import InvalidInput
from flywheel.serving.local import LocalEngine
from tests.support.crowd import QUESTIONS, Oracle, results, submit

# ---- what fails, fails alone ----


def test_damaged_version_ends_its_own_rows_only(engine: LocalEngine, adapters, alone: Oracle, tmp_path: Path) -> None:
    shutil.copytree(adapters["v1"].path, tmp_path / "adapter")
    adapters["v8"] = replace(adapters["v1"], path=tmp_path / "adapter", sha256="0" * 64)
    try:
        streams = [submit(engine, version, "hello", 60) for version in ("v1", "v8", "v99", "v2")]
        answers = results(streams)
    finally:
        del adapters["v8"]
    assert [answer.finish_reason == "error" for answer in answers] == [False, True, True, False]
    assert "`v8`" in answers[1].error and "`v99`" in answers[2].error
    assert (answers[0].text, answers[3].text) == (alone("v1", "hello", 60), alone("v2", "hello", 60))


def test_failing_step_ends_that_batch_alone(
    engine: LocalEngine, alone: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flywheel.serving.local_batch import SharedRows

    real = SharedRows.step

    def step(self: Any, model: Any, tokens: Any) -> Any:
        if len(tokens) == 3:
            raise RuntimeError("out of memory")
        return real(self, model, tokens)

    monkeypatch.setattr(SharedRows, "step", step)
    streams = [submit(engine, version, "hello", 200) for version in ("v1", "v1", "v2", "v2")]
    next(piece for piece in streams[3] if piece)
    streams.append(submit(engine, "v1", "seven", 200))
    *first, last = answers = results(streams)
    assert [a.finish_reason for a in answers] == ["error", "error", "length", "length", "error"]
    assert "restart" in last.error and "memory" not in last.error
    assert first[2].text == alone("v2", "hello", 200)
    assert submit(engine, "v1", "hello", 10).result().text == alone("v1", "hello", 10)


def test_oversize_request_harms_nobody(engine: LocalEngine, alone: Oracle) -> None:
    streams = [submit(engine, "v1", f"{QUESTIONS[1]} {number}", 60) for number in range(8)]
    with pytest.raises(InvalidInput, match="480"):
        submit(engine, "v1", "orders " * 600, 60)
    longest = submit(engine, "v1", "orders " * 300, 30_000)
    assert [a.text for a in results(streams)] == [alone("v1", f"{QUESTIONS[1]} {n}", 60) for n in range(8)]
    answer = longest.result()
    assert answer.prompt_tokens + answer.completion_tokens <= engine.context_length


# ---- memory ----


@pytest.fixture
def cramped(tiny: Path, adapters, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """Memory for 256 tokens in all: 512 bytes each in this model, keys and values of two layers in 32 bits."""
    monkeypatch.setattr("flywheel.serving.local.MOST_BYTES", 256 * 512)
    engine = LocalEngine(str(tiny), None, adapters.get)
    assert engine.wait_ready(60)[0]
    yield engine
    engine.close()


def test_memory_bounds_what_is_read(cramped: LocalEngine) -> None:
    assert cramped.context_length == 256
    assert "256 tokens of 512" in cramped.ready()[1]
    with pytest.raises(InvalidInput, match="at most 224"):
        submit(cramped, "v0", "orders " * 230, 10)


def test_who_does_not_fit_waits(cramped: LocalEngine, alone: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    from flywheel.serving.local_batch import SharedRows

    real, held = SharedRows.step, []

    def step(self: Any, model: Any, tokens: Any) -> Any:
        logits = real(self, model, tokens)
        held.append(self._layers[0].keys.shape[0] * self._layers[0].keys.shape[2])
        return logits

    monkeypatch.setattr(SharedRows, "step", step)
    asked = [("v1", f"{question} {number}", 20) for number in range(4) for question in QUESTIONS]
    answers = results([submit(cramped, *request) for request in asked])
    assert [answer.text for answer in answers] == [alone(*request) for request in asked]
    assert max(held) == 256


def test_sixteen_rows_take_little_memory(engine: LocalEngine) -> None:
    submit(engine, "v1", "hello", 20).result()
    process, seen = psutil.Process(), []
    before = process.memory_info().rss
    streams = [submit(engine, "v1", f"{QUESTIONS[2]} {number}", 300) for number in range(16)]
    while not streams[0].cancelled and len(seen) < 20:
        seen.append(process.memory_info().rss)
        time.sleep(0.02)
    results(streams)
    # 16 rows of 512 tokens of 512 bytes are 4 MiB, as much again while a buffer grows; the rest is what torch keeps.
    assert max(*seen, process.memory_info().rss) - before < 2 * 16 * 512 * 512 + 96 * 2**20
