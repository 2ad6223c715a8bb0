"""The token loop: one prompt in, token ids drawn one by one until the answer ends.

Knows no versions, no queue and no settings; it runs in the engine's thread on a model that nobody else touches.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

from flywheel.errors import Damaged
from flywheel.serving.engine import FinishReason, Sampling, Stream
from flywheel.serving.pieces import Pieces

PREFILL = 512
"""Prompt tokens read at once; a request to stop is heard in between."""


@dataclass
class Decoded:
    """How the loop ended."""

    finish_reason: FinishReason = "length"
    tokens: int = 0
    logprob: float = 0.0
    """Sum over the tokens, natural logarithm, temperature 1."""
    first_token_s: float | None = None
    """Seconds from submission."""


def decode(
    model: Any,
    prompt: list[int],
    ends: frozenset[int],
    most: int,
    sampling: Sampling,
    pieces: Pieces,
    stream: Stream,
) -> Decoded:
    """Draw up to `most` tokens after `prompt`, streaming the text; `ends` are the ids that end an answer.

    Damaged when the model computes no finite numbers.
    """
    import torch

    done = Decoded()
    generator = _generator(model, sampling)
    with torch.inference_mode():
        logits, cache = _prefill(model, prompt, stream, done)
        while logits is not None:
            token, logprob = _draw(logits, sampling, generator)
            done.tokens += 1
            done.logprob += logprob
            if done.first_token_s is None:
                done.first_token_s = time.monotonic() - stream.submitted
            if token in ends:
                done.finish_reason = "stop"
                break
            if piece := pieces.push(token):
                stream.put(piece)
            if pieces.stopped:
                done.finish_reason = "stop"
                break
            if done.tokens >= most or _interrupted(stream, done):
                break
            step = torch.tensor([[token]], device=model.device)
            logits = model(input_ids=step, past_key_values=cache, use_cache=True).logits[0, -1]
    if piece := pieces.finish():
        stream.put(piece)
    return done


def _prefill(model: Any, prompt: list[int], stream: Stream, done: Decoded) -> tuple[Any, Any]:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    logits = None
    for start in range(0, len(prompt), PREFILL):
        if _interrupted(stream, done):
            return None, cache
        chunk = torch.tensor([prompt[start : start + PREFILL]], device=model.device)
        logits = model(input_ids=chunk, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
    return logits, cache


def _interrupted(stream: Stream, done: Decoded) -> bool:
    if stream.cancelled:
        done.finish_reason = "cancelled"
    elif time.monotonic() > stream.deadline:
        done.finish_reason = "deadline"
    else:
        return False
    return True


def _generator(model: Any, sampling: Sampling) -> Any:
    import torch

    generator = torch.Generator(device=model.device)
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    return generator


def _draw(logits: Any, sampling: Sampling, generator: Any) -> tuple[int, float]:
    """One token id from logits of shape (vocabulary,), and its log-probability at temperature 1."""
    import torch

    logprobs = torch.log_softmax(logits.float(), dim=-1)
    if sampling.temperature == 0:
        best, place = logprobs.max(dim=-1)
        return int(place), _finite(float(best))
    _finite(float(logprobs.max()))
    weights = torch.softmax(logprobs / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        ordered, order = weights.sort(descending=True)
        ordered[ordered.cumsum(dim=-1) - ordered >= sampling.top_p] = 0
        weights = torch.zeros_like(weights).scatter(0, order, ordered)
    token = int(torch.multinomial(weights, 1, generator=generator))
    return token, float(logprobs[token])


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Damaged(
            "The model computes no finite numbers, so its weights are damaged. Roll back to another version, "
            "or fetch the base model again."
        )
    return value
