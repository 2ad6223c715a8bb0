"""Answers being drawn: which token follows for each row by its own rules, and what came of a row so far.

Knows no versions, no queue and no settings, and of a model only its logits; it runs in the engine's thread.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flywheel.errors import Damaged
from flywheel.serving.engine import FinishReason, Sampling, Stream
from flywheel.serving.pieces import Pieces
from flywheel.words.catalogue import say

PAUSE_S = 0.02
"""Between two pieces: waking the reader for every token costs a small model a tenth of its speed."""

COLDEST = 1e-5
"""Below it a temperature draws the likeliest token anyway, and dividing by it leaves the numbers of 32 bits."""


@dataclass(frozen=True)
class Limits:
    """When an answer ends by itself."""

    ends: frozenset[int]
    """Ids that end an answer."""
    most: int
    """Tokens."""


class Row:
    """One answer from its prompt to its last token. What it draws depends on nobody else's row."""

    def __init__(self, prompt: list[int], limits: Limits, sampling: Sampling, pieces: Pieces, stream: Stream) -> None:
        self.prompt, self.sampling, self.stream = prompt, sampling, stream
        self.read = 0
        """Tokens of the prompt that the model has read."""
        self.memory: Any = None
        """What the model remembers of a prompt that it has read in part."""
        self.last = 0
        """The token drawn last."""
        self._limits, self._pieces = limits, pieces
        self._finish_reason: FinishReason = "length"
        self._tokens, self._logprob = 0, 0.0
        self._first_token_s: float | None = None
        self._unsaid: list[int] = []
        """Tokens whose text was not asked for yet."""
        self._held, self._given = "", 0.0
        self._generator: Any = None

    @property
    def version(self) -> str:
        """The version that answers, from the first token to the last."""
        return self.stream.waiting.version

    @property
    def most(self) -> int:
        """Tokens of prompt and answer at most."""
        return len(self.prompt) + self._limits.most

    def over(self) -> bool:
        """Nobody waits for it any more: cancelled or overdue."""
        if self.stream.cancelled:
            self._finish_reason = "cancelled"
        elif time.monotonic() > self.stream.deadline:
            self._finish_reason = "deadline"
        else:
            return False
        return True

    def take(self, token: int, logprob: float) -> bool:
        """Count a token and give out its text; False when it is the last. Damaged when it is not a number."""
        if not math.isfinite(logprob):
            raise Damaged(say("error.model.not_finite"))
        self.last = token
        self._tokens += 1
        self._logprob += logprob
        if self._first_token_s is None:
            self._first_token_s = time.monotonic() - self.stream.submitted
        if token not in self._limits.ends:
            self._unsaid.append(token)
            due = time.monotonic() - self._given >= PAUSE_S
            if due or self._pieces.hasty:
                self._say()
            if not self._pieces.stopped:
                if due:
                    self._flush()
                return self._tokens < self._limits.most and not self.over()
        self._finish_reason = "stop"
        return False

    def finish(self, base_form: str = "", error: str | None = None) -> None:
        """Give out what is left and end the stream. `error` says, fit for a person, why there is no whole answer."""
        # What was given out as text must have been streamed, also when something broke.
        self._say()
        if error is None:
            self._held += self._pieces.finish()
        self._flush()
        waiting = self.stream.waiting
        self.stream.finish(
            replace(
                waiting,
                text=self._pieces.text,
                finish_reason="error" if error else self._finish_reason,
                base_form=base_form,
                completion_tokens=self._tokens,
                mean_logprob=self._logprob / self._tokens if self._tokens else None,
                first_token_s=self._first_token_s,
                total_s=time.monotonic() - self.stream.submitted,
                error=error,
            )
        )

    def sample(self, logprobs: Any) -> tuple[int, float]:
        """One token by the row's temperature, top-p and seed from log-probabilities of shape (vocabulary,)."""
        import torch

        weights = torch.softmax(logprobs / max(self.sampling.temperature, COLDEST), dim=-1)
        if self.sampling.top_p < 1:
            ordered, order = weights.sort(descending=True)
            # The likeliest stays, also where a top-p is too small to be told from 0 in 32 bits.
            ordered[1:][(ordered.cumsum(dim=-1) - ordered)[1:] >= self.sampling.top_p] = 0
            weights = torch.zeros_like(weights).scatter(0, order, ordered)
        drawn = torch.multinomial(weights, 1, generator=self._chance(weights.device))
        return int(drawn), float(logprobs[drawn])

    def _chance(self, device: Any) -> Any:
        import torch

        if self._generator is None:
            self._generator = torch.Generator(device=device)
            if self.sampling.seed is None:
                self._generator.seed()
            else:
                self._generator.manual_seed(self.sampling.seed)
        return self._generator

    def _say(self) -> None:
        """Make text of the tokens; each is tried once, for what cannot be made text fails every time."""
        tokens, self._unsaid = self._unsaid, []
        if tokens:
            self._held += self._pieces.push(*tokens)

    def _flush(self) -> None:
        if self._held:
            self.stream.put(self._held)
            self._held, self._given = "", time.monotonic()


def draw(logits: Any, rows: Sequence[Row]) -> list[tuple[int, float]]:
    """The next token of each row, and its log-probability at temperature 1, from logits (rows, vocabulary)."""
    import torch

    logprobs = torch.log_softmax(logits.float(), dim=-1)
    values, places = logprobs.max(dim=-1)
    drawn: list[tuple[int, float]] = list(zip(places.tolist(), values.tolist(), strict=True))
    for number, row in enumerate(rows):
        if row.sampling.temperature > 0 and math.isfinite(drawn[number][1]):
            drawn[number] = row.sample(logprobs[number])
    return drawn
