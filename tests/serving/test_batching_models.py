"""Which models share steps, and how a step is shared out."""

import threading
from pathlib import Path
from typing import Any

import pytest

from flywheel.serving.engine import Generation, Sampling
from flywheel.serving.local import LocalEngine
from flywheel.serving.pieces import Pieces
from tests.support.crowd import QUESTIONS, results, submit, text_of
from tests.support.tiny import make_tokenizer

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
