"""Many answers at once: each is what it would be alone, whoever joins, leaves or is promoted meanwhile."""

import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flywheel.serving.engine import AdapterSpec
from flywheel.serving.local import LocalEngine
from tests.support.crowd import QUESTIONS, VERSIONS, Oracle, results, submit
from tests.support.tiny import TEXT

# ---- nobody's answer depends on anybody else ----


@pytest.mark.parametrize("seed", range(3))
def test_joins_and_leaves_at_random_change_nothing(engine: LocalEngine, alone: Oracle, seed: int) -> None:
    chance, words = random.Random(seed), TEXT.split()
    asked, streams = [], []
    for _ in range(30):
        question = " ".join(chance.choices(words, k=chance.choice((1, 5, 40, 120))))
        asked.append((chance.choice(VERSIONS), question, chance.choice((1, 3, 20, 60))))
        streams.append(submit(engine, *asked[-1]))
        time.sleep(chance.choice((0, 0, 0.01, 0.05)))
    assert [answer.text for answer in results(streams)] == [alone(*request) for request in asked]


def test_sampled_answer_depends_on_its_own_seed_only(engine: LocalEngine) -> None:
    drawn = {"temperature": 1.0, "top_p": 0.9}
    solo = [submit(engine, "v1", QUESTIONS[1], 40, seed=seed, **drawn).result() for seed in range(4)]
    others = [submit(engine, "v1", question, 60, seed=9, temperature=1.5) for question in QUESTIONS]
    crowd = results([submit(engine, "v1", QUESTIONS[1], 40, seed=seed, **drawn) for seed in range(4)])
    assert [answer.text for answer in crowd] == [answer.text for answer in solo]
    assert [answer.mean_logprob for answer in crowd] == pytest.approx([a.mean_logprob for a in solo], abs=1e-4)
    assert len({answer.text for answer in solo}) == 4
    results(others)


def test_more_than_a_batch_holds_all_answer(engine: LocalEngine, alone: Oracle) -> None:
    asked = [("v1", f"{question} {number}", 12) for number in range(10) for question in QUESTIONS]
    answers = results([submit(engine, *request) for request in asked])
    assert [answer.text for answer in answers] == [alone(*request) for request in asked]


def test_cancelled_row_leaves_the_others_whole(engine: LocalEngine, alone: Oracle) -> None:
    streams = [submit(engine, "v1", question, 80) for question in QUESTIONS]
    next(piece for piece in streams[1] if piece)
    streams[1].cancel()
    answers = results(streams)
    assert answers[1].finish_reason == "cancelled"
    assert alone("v1", QUESTIONS[1], 80).startswith(answers[1].text)
    for number in (0, 2, 3):
        assert answers[number].text == alone("v1", QUESTIONS[number], 80)


def test_short_answer_need_not_wait_for_a_long_one(engine: LocalEngine) -> None:
    long, short = submit(engine, "v1", "hello", 300), submit(engine, "v2", "hello", 3)
    last = long.result()
    assert short.result().total_s < last.total_s
    assert last.completion_tokens == 300


# ---- versions, swaps and what they leave behind ----


def test_many_requests_leave_the_model_as_it_was(
    tiny: Path, adapters: dict[str, AdapterSpec], alone: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trainers.base

    loaded, real = [], trainers.base.load_base

    def load(*given: Any) -> tuple[Any, Any]:
        loaded.append(real(*given))
        configs.append(loaded[-1][0].config.to_dict())
        return loaded[-1]

    configs: list[dict[str, Any]] = []
    monkeypatch.setattr(trainers.base, "load_base", load)
    engine = LocalEngine(str(tiny), None, adapters.get)
    assert engine.wait_ready(60)[0]
    asked = [(version, question, 20) for version in VERSIONS for question in QUESTIONS] * 2
    answers = results([submit(engine, *request) for request in asked])
    assert [answer.text for answer in answers] == [alone(*request) for request in asked]
    assert [model.config.to_dict() for model, _ in loaded] == configs
    assert not any(hasattr(model.config, "is_causal") for model, _ in loaded)
    engine.close()


def test_same_long_prompt_before_and_after_a_swap(engine: LocalEngine, alone: Oracle) -> None:
    long = QUESTIONS[2]
    assert submit(engine, "v1", long, 30).result().text == alone("v1", long, 30)
    engine.warm("v2")
    assert submit(engine, "v2", long, 30).result().text == alone("v2", long, 30)
    both = [submit(engine, "v1", long, 30), submit(engine, "v2", long, 30)]
    assert [answer.text for answer in results(both)] == [alone("v1", long, 30), alone("v2", long, 30)]
    assert alone("v1", long, 30) != alone("v2", long, 30)


def test_loading_in_mid_stream_changes_no_answer(tiny: Path, adapters, alone: Oracle) -> None:
    engine = LocalEngine(str(tiny), None, adapters.get)
    assert engine.wait_ready(60)[0]
    stream = submit(engine, "v1", "hello", 300)
    next(piece for piece in stream if piece)
    for version in ("v2", "v3"):
        engine.warm(version)
        assert submit(engine, version, "hello", 10).result().text == alone(version, "hello", 10)
    answer = stream.result()
    assert (answer.version, answer.text) == ("v1", alone("v1", "hello", 300))
    engine.close()


def test_versions_stream_side_by_side(engine: LocalEngine, alone: Oracle) -> None:
    asked = [(version, question, 60) for question in QUESTIONS for version in VERSIONS]
    answers = results([submit(engine, *request) for request in asked])
    assert [answer.text for answer in answers] == [alone(*request) for request in asked]
    assert [answer.version for answer in answers] == [version for version, *_ in asked]


def test_streams_outlive_loading_and_evicting(
    tiny: Path, adapters, alone: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flywheel.serving.local_models.MOST_ADAPTERS", 1)
    shutil.copytree(adapters["v1"].path, tmp_path / "v1")
    there = {**adapters, "v1": replace(adapters["v1"], path=tmp_path / "v1")}
    engine = LocalEngine(str(tiny), None, there.get)
    assert engine.wait_ready(60)[0]
    asked = [(version, question, 120) for question in QUESTIONS for version in ("v0", "v1")]
    streams = [submit(engine, *request) for request in asked]
    next(piece for piece in streams[1] if piece)
    # Nobody can load it a second time: while it answers it has to stay.
    shutil.rmtree(tmp_path / "v1")
    passing = []
    for _ in range(4):
        for version in ("v2", "v3"):
            engine.warm(version)
            passing.append(submit(engine, version, "hello", 5).result().text == alone(version, "hello", 5))
    assert [answer.text for answer in results(streams)] == [alone(*request) for request in asked]
    assert all(passing)
    engine.close()
