"""Whether a merged model is the one it was made of: the same tokens first, given the same beginnings.

The un-merged form answers greedily; then each form is shown prompt and answer at once and its logits are compared at
every place of the answer. The logits of the first form wait on the disk, so that only one model is in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainers.files import JobError
from trainers.mergejob import Parity
from trainers.predict import BATCH_TOKENS, MOST_BATCH, ends_of, generate
from trainers.program import Stop
from trainers.rows import Row, tokens_of

Report = Callable[[int], None]


@dataclass(frozen=True)
class Answer:
    """One prompt and what the un-merged form generated to it, as token ids."""

    prompt: list[int]
    tokens: list[int]
    logits: Path
    """[tokens, vocabulary], 32 bits, of the un-merged form at these places."""


def answers(
    model: Any, tokenizer: Any, rows: Sequence[Row], most: int, folder: Path, stop: Stop, report: Report
) -> list[Answer]:
    """Let the un-merged form answer each prompt that leaves it room, greedily, at most `most` tokens."""
    texts = [tokenizer.apply_chat_template(r.prompt, tokenize=False, add_generation_prompt=True) for r in rows]
    room = model.config.max_position_embeddings - most
    prompts = sorted((p for p in tokens_of(texts, tokenizer) if len(p) <= room), key=len)
    if not prompts:
        raise JobError(f"None of the {len(rows)} prompts leaves the model room to answer. Parity cannot be measured.")
    folder.mkdir()
    found: list[Answer] = []
    while len(found) < len(prompts):
        size = max(1, min(MOST_BATCH, BATCH_TOKENS // (len(prompts[-1]) + most)))
        batch = prompts[len(found) : len(found) + size]
        for prompt, tokens in zip(batch, generate(model, tokenizer, batch, most, stop), strict=True):
            stop.check()
            answer = Answer(prompt, _until_end(tokens, ends_of(model, tokenizer)), folder / f"{len(found)}.npy")
            np.save(answer.logits, logits_of(model, answer).numpy())
            found.append(answer)
            report(1)
    return found


def compare(merged: Any, known: Sequence[Answer], stop: Stop, report: Report) -> Parity:
    """Show the merged form the same beginnings, and count the tokens it ranks first."""
    first, largest = 0, 0.0
    for answer in known:
        stop.check()
        logits, before = logits_of(merged, answer), torch.from_numpy(np.load(answer.logits))
        first += int((logits.argmax(-1) == torch.tensor(answer.tokens)).sum())
        largest = max(largest, float((logits - before).abs().max()))
        report(1)
    tokens = sum(len(answer.tokens) for answer in known)
    return Parity(str(merged.dtype).removeprefix("torch."), len(known), tokens, first, round(largest, 6))


def logits_of(model: Any, answer: Answer) -> torch.Tensor:
    """[tokens, vocabulary] in 32 bits on the CPU: what the model expects at each place of the answer."""
    ids = torch.tensor([answer.prompt + answer.tokens[:-1]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, logits_to_keep=len(answer.tokens)).logits[0]
    return logits.float().cpu()


def _until_end(tokens: list[int], ends: set[int]) -> list[int]:
    length = next((place + 1 for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[:length]
