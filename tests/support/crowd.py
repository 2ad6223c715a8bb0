"""Many requests at an engine, and what each would be answered alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flywheel.serving.engine import AdapterSpec, Generation, Sampling
from flywheel.serving.local import LocalEngine
from flywheel.serving.pieces import Pieces

VERSIONS = ("v0", "v1", "v2", "v3")
QUESTIONS = ["hello", "how many orders last year", "show me the total of big ticket orders by city " * 6, "seven"]
Oracle = Callable[[str, str, int], str]
"""The greedy text of a version to a question, of so many tokens at most."""


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def submit(engine: LocalEngine, version: str, question: str, tokens: int, **sampling: Any) -> Any:
    return engine.submit(chat(question), version, Sampling(max_new_tokens=tokens, **sampling))


def results(streams: list[Any]) -> list[Generation]:
    return [stream.result() for stream in streams]


def text_of(tokenizer: Any, ids: Any) -> str:
    """Text as an engine gives it out: broken bytes at the end of a random model's answer are dropped there."""
    pieces = Pieces(lambda some: str(tokenizer.decode(some, skip_special_tokens=True)))
    for token in ids.tolist():
        pieces.push(token)
    pieces.finish()
    return pieces.text


def make_oracle(base: Path, adapters: dict[str, AdapterSpec]) -> Oracle:
    """Answers by `generate`, on models that are loaded for this alone."""
    from peft import PeftModel

    from trainers.base import load_base

    models: dict[str, Any] = {}
    said: dict[tuple[str, str, int], str] = {}

    def oracle(version: str, question: str, tokens: int) -> str:
        if version not in models:
            spec = adapters.get(version)
            model, tokenizer = load_base(str(base), None, spec.base_form if spec else "full")
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
