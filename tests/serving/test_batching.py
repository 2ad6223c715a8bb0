"""Many answers at once: each is what it would be alone, whoever joins, leaves, fails or is promoted meanwhile."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from flywheel.errors import InvalidInput
from flywheel.serving.engine import AdapterSpec, Generation, Sampling
from flywheel.serving.local import LocalEngine
from flywheel.serving.pieces import Pieces
from tests.support.tiny import TEXT, make_tokenizer

VERSIONS = ("v0", "v1", "v2", "v3")
Oracle = Callable[[str, str, int], str]


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


QUESTIONS = ["hello", "how many orders last year", "show me the total of big ticket orders by city " * 6, "seven"]


@pytest.fixture(scope="module")
def alone(tiny: Path, adapters: dict[str, AdapterSpec]) -> Oracle:
    """Greedy text of a version by `generate` on models that are loaded for this alone."""
    from peft import PeftModel

    from trainers.base import load_base

    models: dict[str, Any] = {}
    said: dict[tuple[str, str, int], str] = {}

    def oracle(version: str, question: str, tokens: int) -> str:
        if version not in models:
            spec = adapters.get(version)
            model, tokenizer = load_base(str(tiny), None, spec.base_form if spec else "full")
            models[version] = PeftModel.from_pretrained(model, str(spec.path)) if spec else model, tokenizer
        model, tokenizer = models[version]
        if (version, question, tokens) not in said:
            prompt = tokenizer.apply_chat_template(
                chat(question), add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            whole = model.generate(**prompt, max_new_tokens=tokens, do_sample=False)
            said[version, question, tokens] = text_of(tokenizer, whole[0, prompt["input_ids"].shape[1] :])
        return said[version, question, tokens]

    return oracle


def text_of(tokenizer: Any, ids: Any) -> str:
    """Text as an engine gives it out: broken bytes at the end of a random model's answer are dropped there."""
    pieces = Pieces(lambda some: str(tokenizer.decode(some, skip_special_tokens=True)))
    for token in ids.tolist():
        pieces.push(token)
    pieces.finish()
    return pieces.text


def submit(engine: LocalEngine, version: str, question: str, tokens: int, **sampling: Any) -> Any:
    return engine.submit(chat(question), version, Sampling(max_new_tokens=tokens, **sampling))


def results(streams: list[Any]) -> list[Generation]:
    return [stream.result() for stream in streams]


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


# ---- models whose rows may not share a step ----


def make_model(path: Path, kind: str) -> Path:
    """A tiny random model of another build than the usual one."""
    import torch
    import transformers

    size = make_tokenizer(path)
    shape = {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "bos_token_id": None,
        "head_dim": 16,
    }
    if kind == "window":
        config = transformers.Gemma3TextConfig(**shape, sliding_window=8)
    elif kind == "rope":
        config = transformers.LlamaConfig(
            **shape, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
        )
    else:
        config = transformers.Qwen3Config(**shape)
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(path)
    return path


@pytest.mark.parametrize(("kind", "words"), [("window", "SlidingWindow"), ("rope", "`dynamic`"), ("qwen", None)])
def test_other_models_are_batched_only_where_safe(tmp_path: Path, kind: str, words: str | None) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_model(tmp_path / "base", kind)
    engine = LocalEngine(str(base), None, lambda version: None, name=kind)
    ready, said = engine.wait_ready(60)
    assert ready
    assert ("share no step" in said and words in said) if words else "share" not in said
    answers = results([submit(engine, "v0", question, 40) for question in QUESTIONS])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    for answer in answers:
        prompt = tokenizer(answer.rendered_prompt, return_tensors="pt", add_special_tokens=False)
        whole = model.generate(**prompt, max_new_tokens=40, do_sample=False, eos_token_id=2)
        assert answer.text == text_of(tokenizer, whole[0, answer.prompt_tokens :])
    engine.close()


@pytest.mark.parametrize("ignored", ["attention_mask", "position_ids"])
def test_trial_notices_a_model_that_mixes_rows(tiny: Path, ignored: str) -> None:
    from flywheel.serving.local_trial import try_memory
    from trainers.base import load_base

    real, _ = load_base(str(tiny), None, "full")

    class Careless:
        config, device = real.config, real.device

        def __call__(self, **given: Any) -> Any:
            given.pop(ignored, None)
            return real(**given)

    assert try_memory(real).apart is None
    assert "change" in str(try_memory(Careless()).apart)


# ---- turns ----


def test_long_prompt_holds_nobody_up(tiny: Path, engine: LocalEngine) -> None:
    import torch

    from flywheel.serving.engine import Stream
    from flywheel.serving.local_decode import Limits, Row
    from flywheel.serving.local_group import Group, Pace
    from trainers.base import load_base

    model, _ = load_base(str(tiny), None, "full")
    pace, ended = Pace(), []

    def row(tokens: int) -> Row:
        stream = Stream(Generation("", "error", "v0", "tiny", "full"), 60)
        pieces = Pieces(lambda ids: "x" * len(ids))
        return Row([7] * tokens, Limits(frozenset(), 100), Sampling(), pieces, stream)

    group = Group("v0", None, apart=False, pace=pace, ended=ended.append)
    group.add(row(5))
    with torch.inference_mode():
        group.turn(model, alone=True)
        first = group._rows[0]
        group.add(row(300))
        for turn in range(1, 18):
            pace.took(16, 0.05)
            group.turn(model, alone=True)
            assert (first._tokens, len(group._rows)) == (2 + turn, 1)
        for _ in range(3):
            pace.took(16, 0.05)
            group.turn(model, alone=True)
    assert len(group._rows) == 2


def test_closing_ends_what_runs_and_what_waits(tiny: Path, adapters) -> None:
    engine = LocalEngine(str(tiny), None, adapters.get)
    assert engine.wait_ready(60)[0]
    streams = [submit(engine, version, "hello", 400) for version in ("v0", "v1") for _ in range(20)]
    closing = threading.Thread(target=engine.close)
    closing.start()
    assert {answer.finish_reason for answer in results(streams)} == {"cancelled"}
    closing.join(10)
    assert not closing.is_alive()
