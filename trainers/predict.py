"""`python -m trainers.predict RUN_DIR`: the answers of versions to suites of prompts, greedily, for scoring.

Reads predict.json; leaves predictions/<suite>-<version>.jsonl with a row for each prompt, in the suite's order:
`{"index", "text", "finish_reason", "tokens"}`, where finish_reason is `stop`, `length`, or `prompt_too_long` (then the
text is empty). predictions/progress.json tells how far it is, predictions/outcome.json comes last. It may be run again
with another predict.json; what was answered before is answered anew.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from trainers import environment
from trainers.files import JobError, write_atomically, write_json
from trainers.job import PREDICTIONS, PROGRESS, Suite, predictions_file, read_predict
from trainers.program import Stop, conduct
from trainers.rows import Row, read_rows, tokens_of

BATCH_TOKENS = 8192
"""Tokens of a batch at its end, prompts and answers together; bounds memory whatever the prompts' length."""
MOST_BATCH = 48


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.predict", description="Answer suites with versions.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder that holds predict.json")
    return run(parser.parse_args(arguments).run_dir)


def run(run_dir: Path) -> int:
    """Answer what predict.json of this directory asks; returns 0 finished, 1 failed, 130 cancelled."""
    environment.prepare()
    return conduct(run_dir, run_dir / PREDICTIONS, lambda stop: predict(run_dir, stop), again=True)


def predict(run_dir: Path, stop: Stop) -> dict[str, str]:
    """Answer all suites, loading each base form once; returns facts for the outcome."""
    from trainers import base

    suites = read_predict(run_dir)
    files = [predictions_file(run_dir, s.suite, v.name) for s in suites for v in s.versions]
    if len(set(files)) < len(files):
        raise JobError("predict.json asks for the same suite and version twice. Name each pair once.")
    prompts = {suite.suite: read_rows(run_dir / suite.file, completions=False) for suite in suites}
    for file in files:
        file.unlink(missing_ok=True)
    device = base.default_device()
    progress = Progress(run_dir, sum(len(prompts[suite.suite]) * len(suite.versions) for suite in suites))
    ordered = sorted(suites, key=_standing)
    for (name, revision, form), group in groupby(ordered, key=_standing):
        stop.check()
        model, tokenizer = base.load_base(name, revision or None, form, device)
        versions = Versions(model, run_dir, base.resolve_base(name, revision or None))
        for suite in group:
            for version in suite.versions:
                with versions.answering(version.adapter) as model_of_it:
                    answers = answer(
                        model_of_it, tokenizer, prompts[suite.suite], suite.max_new_tokens, stop, progress.add
                    )
                _write(predictions_file(run_dir, suite.suite, version.name), answers)
                print(f"{suite.suite}: {version.name} answered {len(answers)} prompts", flush=True)
    return {"device": environment.machine(device)}


class Versions:
    """One base in memory and any of its adapters switched onto it."""

    def __init__(self, model: Any, run_dir: Path, base_dir: Path) -> None:
        self._base, self._run_dir, self._base_dir = model, run_dir, base_dir
        self._with_adapters: Any = None
        self._names: dict[str, str] = {}

    @contextmanager
    def answering(self, adapter: str | None) -> Iterator[Any]:
        """The model answering with this adapter, or as the base alone."""
        if adapter is not None:
            if adapter not in self._names:
                self._load(adapter)
            self._with_adapters.set_adapter(self._names[adapter], inference_mode=True)
            yield self._with_adapters
        elif self._with_adapters is None:
            yield self._base
        else:
            with self._with_adapters.disable_adapter():
                yield self._with_adapters

    def _load(self, adapter: str) -> None:
        from peft import PeftModel

        from trainers.adapter import check_adapter

        folder = self._run_dir / adapter
        if problems := check_adapter(folder, self._base_dir):
            raise JobError(f"The adapter `{adapter}` cannot be used: {'; '.join(problems[:3])}. Train it again.")
        name = f"adapter{len(self._names)}"
        if self._with_adapters is None:
            self._with_adapters = PeftModel.from_pretrained(self._base, str(folder), adapter_name=name).eval()
        else:
            self._with_adapters.load_adapter(str(folder), adapter_name=name)
        self._names[adapter] = name


class Progress:
    """predictions/progress.json: how many answers of how many, written once a second at most."""

    def __init__(self, run_dir: Path, total: int) -> None:
        self._path, self._total, self._done, self._written = run_dir / PREDICTIONS / PROGRESS, total, 0, 0.0
        self.add(0)

    def add(self, count: int) -> None:
        """Count these answers."""
        self._done += count
        now = time.monotonic()
        if now - self._written >= 1 or self._done == self._total:
            self._written = now
            write_json(self._path, {"done": self._done, "total": self._total})


def answer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    max_new_tokens: int,
    stop: Stop,
    report: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
    """Answer each row's prompt greedily, in batches of like length; returns the answers in the rows' order."""
    texts = [tokenizer.apply_chat_template(r.prompt, tokenize=False, add_generation_prompt=True) for r in rows]
    prompts = tokens_of(texts, tokenizer)
    # An answer may take at most half of what the model reads, or no question would fit before a long one.
    max_new_tokens = min(max_new_tokens, max(1, model.config.max_position_embeddings // 2))
    room = model.config.max_position_embeddings - max_new_tokens
    answers: list[dict[str, Any]] = [
        {"index": index, "text": "", "finish_reason": "prompt_too_long", "tokens": 0} for index in range(len(rows))
    ]
    fitting = sorted((i for i, prompt in enumerate(prompts) if len(prompt) <= room), key=lambda i: -len(prompts[i]))
    report(len(rows) - len(fitting))
    while fitting:
        size = max(1, min(MOST_BATCH, BATCH_TOKENS // (len(prompts[fitting[0]]) + max_new_tokens)))
        batch, fitting = fitting[:size], fitting[size:]
        new = generate(model, tokenizer, [prompts[i] for i in batch], max_new_tokens, stop)
        stop.check()
        for index, tokens in zip(batch, new, strict=True):
            answers[index] |= _finished(tokens, model, tokenizer)
        report(len(batch))
    return answers


def generate(model: Any, tokenizer: Any, prompts: list[list[int]], max_new_tokens: int, stop: Stop) -> list[list[int]]:
    """What a model says to each prompt, greedily, as token ids; padded behind its end where others go on."""
    import torch

    def asked_to_stop(ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(prompts),), stop.requested(), device=ids.device)

    width = max(map(len, prompts))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            num_beams=1,
            pad_token_id=pad,
            stopping_criteria=[asked_to_stop],
        )
    new: list[list[int]] = out[:, width:].tolist()
    return new


def _finished(tokens: list[int], model: Any, tokenizer: Any) -> dict[str, Any]:
    ends = ends_of(model, tokenizer)
    length = next((place + 1 for place, token in enumerate(tokens) if token in ends), None)
    told = tokens if length is None else tokens[: length - 1]
    text = tokenizer.decode(told, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return {"text": text, "finish_reason": "stop" if length else "length", "tokens": length or len(tokens)}


def ends_of(model: Any, tokenizer: Any) -> set[int]:
    """The tokens at which this model's answers end."""
    ends = model.generation_config.eos_token_id
    return {ends} if isinstance(ends, int) else set(ends or [tokenizer.eos_token_id])


def _standing(suite: Suite) -> tuple[str, str, str]:
    return suite.base, suite.revision or "", suite.base_form


def _write(path: Path, answers: Sequence[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answers)
    write_atomically(path, lines.encode())


if __name__ == "__main__":
    sys.exit(main())
