"""What an engine takes and gives: messages, a version and sampling in; text pieces and a Generation out.

Knows no model library, no database and no page. One thread of the engine writes into a Stream, one consumer reads it.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, Protocol

from flywheel.errors import InvalidInput
from flywheel.serving.texts import Texts
from flywheel.words.catalogue import say

HEARTBEAT_S = 0.2
BASE_VERSION = "v0"
"""The base model itself, without an adapter."""
FinishReason = Literal["stop", "length", "cancelled", "deadline", "error"]
Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}"""


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. Temperature 0 is greedy; the same seed gives the same text."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    deadline_s: float = 60.0
    """Seconds from submission; an answer that is still being written then is cut there."""

    def __post_init__(self) -> None:
        _need("max_new_tokens", self.max_new_tokens, 1 <= self.max_new_tokens <= 32_768)
        _need("temperature", self.temperature, 0.0 <= self.temperature <= 2.0)
        _need("top_p", self.top_p, 0.0 < self.top_p <= 1.0)
        _need("seed", self.seed, self.seed is None or 0 <= self.seed < 2**63)
        _need("stop", self.stop, all(self.stop) and len(self.stop) <= 16)
        _need("deadline_s", self.deadline_s, 0.0 < self.deadline_s <= 3600.0)


@dataclass(frozen=True)
class Generation:
    """One answer as it ended. `text` is exactly the pieces that were streamed, put together."""

    text: str
    finish_reason: FinishReason
    version: str
    base: str
    base_form: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Generated tokens, the end token included."""
    tokens_estimated: bool = False
    """Nobody counted the tokens: both numbers are estimates."""
    rendered_prompt: str = ""
    """The text the model read; of a model at another server, the messages it was sent, as JSON."""
    mean_logprob: float | None = None
    """Mean natural logarithm of the probability that the model itself (temperature 1) gave to each generated token."""
    first_token_s: float | None = None
    total_s: float = 0.0
    words: str | None = None
    """What the model said of the result of the statement in `text`, which it ran as a tool; None where it ran none."""
    error: str | None = None
    """Why there is no (whole) answer, fit for a person; only with finish_reason `error`."""


@dataclass(frozen=True)
class AdapterSpec:
    """Where a version's adapter lies, the weights it belongs on, and the sha256 of its adapter_model.safetensors."""

    path: Path
    base_form: str
    sha256: str


class Stream:
    """One answer on its way: iterate for text pieces, with None every 0.2 s while nothing comes.

    It ends when the engine finished it, or at once when it is cancelled or overdue before the engine came to it.
    """

    def __init__(self, waiting: Generation, deadline_s: float) -> None:
        """`waiting` is what the answer is if it never starts: no text, but all that is known of the request."""
        self.submitted = time.monotonic()
        self.deadline = self.submitted + deadline_s
        self._waiting = waiting
        self._pieces: SimpleQueue[str | Generation] = SimpleQueue()
        self._cancelled = threading.Event()
        self._state = threading.Lock()
        self._taken = False
        self._result: Generation | None = None

    def __iter__(self) -> Iterator[str | None]:
        while self._result is None:
            try:
                item = self._pieces.get(timeout=HEARTBEAT_S)
            except Empty:
                if time.monotonic() > self.deadline:
                    self._abandon("deadline")
                yield None
                continue
            if isinstance(item, Generation):
                self._result = item
            else:
                yield item

    def cancel(self) -> None:
        """Ask the engine to stop within one token. May be called from any thread, and more than once."""
        self._cancelled.set()
        self._abandon("cancelled")

    def result(self) -> Generation:
        """Wait for the end, dropping pieces that were not read, and return the whole answer."""
        for _ in self:
            pass
        assert self._result is not None
        return self._result

    @property
    def cancelled(self) -> bool:
        """Somebody asked to stop."""
        return self._cancelled.is_set()

    @property
    def waiting(self) -> Generation:
        """What is known of the request; the engine fills in the rest."""
        return self._waiting

    def take(self) -> bool:
        """The engine takes the request up; False when it was cancelled or overdue before."""
        with self._state:
            mine = not self._taken
            self._taken = True
            return mine

    def put(self, piece: str) -> None:
        """The engine hands over a piece of text."""
        self._pieces.put(piece)

    def finish(self, generation: Generation) -> None:
        """The engine is done with it."""
        self._pieces.put(generation)

    def _abandon(self, reason: FinishReason) -> None:
        if self.take():
            waited = time.monotonic() - self.submitted
            self.finish(replace(self._waiting, finish_reason=reason, total_s=waited))


class Engine(Protocol):
    """What the services need of an engine, whether the model runs in this process or behind a server."""

    @property
    def base(self) -> str:
        """The name of the base model, as a person configured it."""

    @property
    def context_length(self) -> int | None:
        """Most tokens of prompt and answer together; None where a server does not tell."""

    def ready(self) -> tuple[bool, str]:
        """Whether it answers now, and in words what runs or why not."""

    def wait_ready(self, timeout_s: float) -> tuple[bool, str]:
        """Wait until it is known whether it can answer, then say as `ready` does."""

    def warm(self, version: str, timeout_s: float = 120.0) -> None:
        """Load a version ahead of its first request. Raises what a request for it would be told."""

    def check(self, messages: Sequence[Message]) -> None:
        """Raise InvalidInput when the prompt does not fit, Unavailable when the engine is not ready."""

    def submit(self, messages: Sequence[Message], version: str, sampling: Sampling) -> Stream:
        """Queue a request. Raises as `check` does; all later trouble ends in the Generation's `error`."""

    def control_tokens(self) -> tuple[str, ...]:
        """Texts that the tokenizer reads as control tokens."""

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Tokens of a text, or of messages as rendered for an answer; ending in an answer, as a trainer renders them.

        An estimate where the tokenizer is elsewhere.
        """

    def texts(self) -> Texts | None:
        """The base's tokenizer for many texts; None where it is elsewhere."""

    def close(self) -> None:
        """Cancel what runs, refuse what waits, free the model."""


def _need(name: str, value: object, right: bool) -> None:
    if not right:
        raise InvalidInput(say(f"error.sampling.{name}", value=value))
