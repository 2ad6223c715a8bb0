"""The engine on a tiny random model: real weights, real adapters, real threads."""

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.engines import rules_of
from flywheel.errors import Damaged, InvalidInput, NotFound, Unavailable
from flywheel.serving.engine import AdapterSpec, Sampling
from flywheel.serving.local import LocalEngine
from flywheel.settings import read
from tests.support.tiny import chat_row
from trainers.rows import Row, teach

QUESTION = [{"role": "user", "content": "how many orders last year"}]
SHORT = Sampling(max_new_tokens=24)
LONG = Sampling(max_new_tokens=400)


def ask(engine: LocalEngine, version: str = "v0", sampling: Sampling = SHORT, messages=QUESTION):
    return engine.submit(messages, version, sampling).result()


def test_greedy_text_equals_generate(engine: LocalEngine, tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32),
        AutoTokenizer.from_pretrained(tiny),
    )
    answer = ask(engine)
    prompt = tokenizer(answer.rendered_prompt, return_tensors="pt", add_special_tokens=False)
    bare = model.generate(**prompt, max_new_tokens=24, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert answer.text == tokenizer.decode(bare, skip_special_tokens=True)
    assert answer.prompt_tokens == prompt["input_ids"].shape[1]


def test_mean_logprob_is_that_of_the_model(engine: LocalEngine, tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32),
        AutoTokenizer.from_pretrained(tiny),
    )
    answer = ask(engine, sampling=replace(SHORT, max_new_tokens=5))
    prompt = tokenizer(answer.rendered_prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    whole = model.generate(prompt, max_new_tokens=5, do_sample=False)
    scores = torch.log_softmax(model(whole).logits[0, -6:-1].detach(), -1)
    expected = scores.gather(1, whole[0, -5:, None]).mean()
    assert answer.mean_logprob == pytest.approx(float(expected), abs=1e-4)


def test_pieces_are_the_text(engine: LocalEngine) -> None:
    stream = engine.submit(QUESTION, "v1", Sampling(max_new_tokens=60, temperature=1.0, seed=3))
    pieces = [piece for piece in stream if piece]
    answer = stream.result()
    assert len(pieces) > 2
    assert "".join(pieces) == answer.text
    assert 0 < answer.first_token_s <= answer.total_s


def test_same_seed_same_text(engine: LocalEngine) -> None:
    def drawn(seed: int) -> str:
        return ask(engine, sampling=Sampling(max_new_tokens=24, temperature=1.0, top_p=0.9, seed=seed)).text

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_tiny_top_p_is_greedy(engine: LocalEngine) -> None:
    for top_p in (1e-6, 1e-300):
        assert ask(engine, sampling=replace(SHORT, temperature=1.0, top_p=top_p, seed=1)).text == ask(engine).text


@pytest.mark.parametrize("temperature", [1e-20, 1e-45, 5e-324])
def test_tiny_temperature_is_greedy(engine: LocalEngine, temperature: float) -> None:
    answer = ask(engine, sampling=replace(SHORT, temperature=temperature, seed=1))
    assert (answer.error, answer.text) == (None, ask(engine).text)


def test_stop_text_ends_the_answer(engine: LocalEngine) -> None:
    text = ask(engine, "v1").text
    stop = text[6:9]
    answer = ask(engine, "v1", replace(SHORT, stop=(stop,)))
    assert answer.finish_reason == "stop"
    assert answer.text == text[: text.index(stop)]


def test_interleaved_versions_equal_their_solo_runs(engine: LocalEngine) -> None:
    versions = ["v0", "v1", "v2", "v3"]
    solo = {version: ask(engine, version).text for version in versions}
    assert len(set(solo.values())) == 4
    streams = [(version, engine.submit(QUESTION, version, SHORT)) for version in versions * 6]
    answers = [(version, stream.result()) for version, stream in reversed(streams)]
    assert [answer.text for _, answer in answers] == [solo[version] for version, _ in answers]
    assert {answer.version for version, answer in answers if version == "v2"} == {"v2"}


def test_threads_get_their_own_versions(engine: LocalEngine) -> None:
    solo = {version: ask(engine, version).text for version in ("v0", "v1", "v2")}
    wrong = []

    def chat(version: str) -> None:
        wrong.extend(text for _ in range(5) if (text := ask(engine, version).text) != solo[version])

    threads = [threading.Thread(target=chat, args=(version,)) for version in (*solo, *solo)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_version_names_its_base_form(engine: LocalEngine) -> None:
    assert [ask(engine, version).base_form for version in ("v0", "v1", "v3")] == ["full", "full", "nf4-dequantised"]


def test_more_versions_than_kept_still_answer(tiny: Path, adapters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.serving.local_models.MOST_ADAPTERS", 1)
    engine = LocalEngine(str(tiny), None, adapters.get)
    engine.wait_ready(60)
    first = [ask(engine, version).text for version in ("v1", "v2", "v0")]
    assert [ask(engine, version).text for version in ("v1", "v2", "v0")] == first
    assert len(set(first)) == 3
    engine.close()


def test_cancel_stops_within_a_token(engine: LocalEngine) -> None:
    stream = engine.submit(QUESTION, "v0", LONG)
    next(piece for piece in stream if piece)
    began = time.monotonic()
    stream.cancel()
    answer = stream.result()
    assert answer.finish_reason == "cancelled"
    assert 0 < answer.completion_tokens < 400
    assert time.monotonic() - began < 0.5


def test_cancelled_in_the_queue_ends_at_once(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.serving.local_loop.MOST_ROWS", 1)
    running = engine.submit(QUESTION, "v0", LONG)
    waiting = engine.submit(QUESTION, "v0", LONG)
    waiting.cancel()
    assert waiting.result().finish_reason == "cancelled"
    assert waiting.result().completion_tokens == 0
    assert running.result().finish_reason == "length"


def test_deadline_cuts_the_answer(engine: LocalEngine) -> None:
    answer = ask(engine, sampling=replace(LONG, deadline_s=0.05))
    assert answer.finish_reason == "deadline"
    assert answer.total_s < 1


def test_too_long_prompt_names_both_numbers(engine: LocalEngine) -> None:
    long = [{"role": "user", "content": "orders " * 600}]
    with pytest.raises(InvalidInput) as refused:
        engine.submit(long, "v0", SHORT)
    assert str(engine.count_tokens(long)) in str(refused.value)
    assert "480" in str(refused.value)


@pytest.mark.parametrize("answer", ["SELECT 1", " leading blank", "two\nlines", "größer 🎡"])
def test_a_row_counts_as_many_tokens_as_it_is_trained_with(engine: LocalEngine, answer: str) -> None:
    row = chat_row("how many orders", answer)
    (lesson,) = teach([Row("", row["prompt"], row["completion"])], engine._tokenizer, 512)
    count = rules_of(engine, read({"FLYWHEEL_HOME": "/nowhere"}))().count
    assert count is not None and count(row["prompt"], answer) == len(lesson.input_ids)


def test_answer_fills_what_the_prompt_leaves(engine: LocalEngine) -> None:
    prompt = [{"role": "user", "content": "orders " * 200}]
    answer = ask(engine, sampling=Sampling(max_new_tokens=512), messages=prompt)
    assert answer.finish_reason in ("stop", "length")
    assert answer.prompt_tokens + answer.completion_tokens <= engine.context_length == 512


def test_unknown_version_is_an_error_in_words(engine: LocalEngine) -> None:
    answer = ask(engine, "v99")
    assert answer.finish_reason == "error"
    assert "`v99`" in answer.error
    assert answer.text == ""


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "swapped"])
def test_damaged_adapter_never_answers(engine: LocalEngine, adapters, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(adapters["v1"].path, folder)
    weights = folder / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    if damage == "missing":
        weights.unlink()
    elif damage == "swapped":
        shutil.rmtree(folder)
        shutil.copytree(adapters["v2"].path, folder)
    else:
        weights.write_bytes(data[:-64] if damage == "cut" else data)
    adapters["v8"] = replace(adapters["v1"], path=folder)
    try:
        answer = ask(engine, "v8")
        with pytest.raises(Damaged):
            engine.warm("v8")
    finally:
        del adapters["v8"]
    assert answer.finish_reason == "error"
    assert answer.text == ""
    assert "`v8`" in answer.error
    assert ask(engine, "v1").finish_reason == "length"


def test_warm_loads_or_says_why(engine: LocalEngine) -> None:
    engine.warm("v2")
    with pytest.raises(NotFound):
        engine.warm("v99")


def test_engine_that_may_wait_loads_for_the_first_who_waits(tiny: Path) -> None:
    threads = threading.active_count()
    engine = LocalEngine(str(tiny), None, lambda version: None, load=False)
    assert not engine.ready()[0] and threading.active_count() == threads
    assert engine.wait_ready(60)[0]
    engine.close()


def test_engine_that_nobody_asked_closes(tiny: Path) -> None:
    engine = LocalEngine(str(tiny), None, lambda version: None, load=False)
    engine.close()
    assert not engine.wait_ready(0.1)[0]


def test_missing_base_is_named(tmp_path: Path) -> None:
    engine = LocalEngine(str(tmp_path / "nowhere"), None, lambda version: None)
    ready, words = engine.wait_ready(60)
    assert not ready
    assert "nowhere" in words
    with pytest.raises(Unavailable, match="nowhere"):
        engine.submit(QUESTION, "v0", SHORT)
    engine.close()


def test_damaged_first_version_leaves_the_base(tiny: Path, tmp_path: Path) -> None:
    gone = AdapterSpec(tmp_path / "gone", "full", "0" * 64)
    engine = LocalEngine(str(tiny), None, {"v1": gone}.get, first="v1")
    assert engine.wait_ready(60)[0]
    assert ask(engine, "v0").finish_reason == "length"
    assert ask(engine, "v1").finish_reason == "error"
    engine.close()


def test_nan_weights_are_an_error(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "base")
    weights = load_file(tmp_path / "base" / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, tmp_path / "base" / "model.safetensors", {"format": "pt"})
    engine = LocalEngine(str(tmp_path / "base"), None, lambda version: None)
    engine.wait_ready(60)
    answer = ask(engine)
    assert answer.finish_reason == "error"
    assert "finite" in answer.error
    engine.close()


def test_close_ends_every_answer(tiny: Path) -> None:
    engine = LocalEngine(str(tiny), None, lambda version: None)
    engine.wait_ready(60)
    streams = [engine.submit(QUESTION, "v0", LONG) for _ in range(5)]
    engine.close()
    assert {stream.result().finish_reason for stream in streams} == {"cancelled"}
    with pytest.raises(Unavailable, match="closed"):
        engine.submit(QUESTION, "v0", SHORT)


def test_too_many_waiting_are_refused(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.serving.local.MOST_WAITING", 2)
    streams = [engine.submit(QUESTION, "v0", LONG) for _ in range(2)]
    with pytest.raises(Unavailable, match="2 questions"):
        engine.submit(QUESTION, "v0", SHORT)
    for stream in streams:
        stream.cancel()
        stream.result()
    monkeypatch.undo()
    assert ask(engine).finish_reason == "length"


def test_control_tokens_are_those_of_the_template(engine: LocalEngine) -> None:
    assert {"<|im_start|>", "<|im_end|>"} <= set(engine.control_tokens())
