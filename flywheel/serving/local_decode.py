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
PAUSE_S = 0.02
"""Between two pieces: waking the reader for every token costs a small model a tenth of its speed."""


@dataclass(frozen=True)
class Limits:
    """When an answer ends by itself."""

    ends: frozenset[int]
    """Ids that end an answer."""
    most: int
    """Tokens."""


class Decoding:
    """One answer being drawn. After `run` the fields say how it ended."""

    def __init__(self, model: Any, limits: Limits, sampling: Sampling, pieces: Pieces, stream: Stream) -> None:
        self.finish_reason: FinishReason = "length"
        self.tokens = 0
        self.logprob = 0.0
        """Sum over the tokens, natural logarithm, temperature 1."""
        self.first_token_s: float | None = None
        """Seconds from submission."""
        self._model, self._limits, self._sampling = model, limits, sampling
        self._pieces, self._stream = pieces, stream
        self._held, self._given = "", 0.0

    def run(self, prompt: list[int]) -> None:
        """Draw the answer to `prompt` and stream its text. Damaged when the model computes no finite numbers."""
        import torch

        generator = torch.Generator(device=self._model.device)
        if self._sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self._sampling.seed)
        try:
            with torch.inference_mode():
                logits, cache = self._read(prompt)
                while logits is not None:
                    token, logprob = _draw(logits, self._sampling, generator)
                    if not self._take(token, logprob):
                        break
                    step = torch.tensor([[token]], device=self._model.device)
                    logits = self._model(input_ids=step, past_key_values=cache, use_cache=True).logits[0, -1]
            self._held += self._pieces.finish()
        finally:
            # What was given out as text must have been streamed, also when the loop broke.
            self._flush()

    def _read(self, prompt: list[int]) -> tuple[Any, Any]:
        """Logits after the prompt and the cache; no logits when the answer was stopped meanwhile."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        logits = None
        for start in range(0, len(prompt), PREFILL):
            if self._interrupted():
                return None, cache
            chunk = torch.tensor([prompt[start : start + PREFILL]], device=self._model.device)
            logits = self._model(input_ids=chunk, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
        return logits, cache

    def _take(self, token: int, logprob: float) -> bool:
        """Count a token and give out its text; False when it is the last."""
        self.tokens += 1
        self.logprob += logprob
        if self.first_token_s is None:
            self.first_token_s = time.monotonic() - self._stream.submitted
        if token not in self._limits.ends:
            self._held += self._pieces.push(token)
            if not self._pieces.stopped:
                if time.monotonic() - self._given >= PAUSE_S:
                    self._flush()
                return self.tokens < self._limits.most and not self._interrupted()
        self.finish_reason = "stop"
        return False

    def _flush(self) -> None:
        if self._held:
            self._stream.put(self._held)
            self._held, self._given = "", time.monotonic()

    def _interrupted(self) -> bool:
        if self._stream.cancelled:
            self.finish_reason = "cancelled"
        elif time.monotonic() > self._stream.deadline:
            self.finish_reason = "deadline"
        else:
            return False
        return True


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
    drawn = torch.multinomial(weights, 1, generator=generator)
    return int(drawn), float(logprobs[drawn])


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Damaged(
            "The model computes no finite numbers, so its weights are damaged. Roll back to another version, "
            "or fetch the base model again."
        )
    return value
