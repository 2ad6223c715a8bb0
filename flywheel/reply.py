"""One answer under way: its updates for a page or a terminal, and its turn, stored exactly once however it ends.

Finished, stopped, failed or left alone by a closed tab: the turn is written before the generator is gone. Knows no
roles; the chat service has checked who asks.
"""

import json
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from flywheel.serving.engine import Generation, Sampling, Stream
from flywheel.serving.thinking import Said, parted
from flywheel.tasks.sql import SqlOutcome
from flywheel.tasks.tools import told
from flywheel.words.catalogue import say
from storage.conversations import Turn
from storage.ids import new_id

SHORTEST_PAUSE_S = 0.055
"""Between two updates: fewer than 20 a second, also where they arrive a little unevenly."""
MOST_ROWS, MOST_ROWS_JSON = 1000, 64 * 1024
"""A result is stored whole within these, else only its first rows, and the turn says so."""
FEW_ROWS = 50

STATES = {"stop": "complete", "length": "complete", "cancelled": "stopped", "deadline": "stopped", "error": "failed"}


@dataclass(frozen=True)
class Update:
    """The answer as far as it is. The last one is `done` and carries the stored turn."""

    conversation_id: str
    user_turn_id: str
    turn_id: str
    text: str
    """All of the answer so far, without the model's thoughts."""
    thinking: str = ""
    """What a reasoning model thought before it, so far."""
    done: bool = False
    turn: Turn | None = None
    outcome: SqlOutcome | None = None
    """The live result, up to 1,000 rows; the turn may hold fewer."""
    notice: str | None = None
    """What the person should know: why there is no (whole) answer, or what the model did not read."""
    other: "Update | None" = None
    """The answer to its right, where two are written side by side."""


@dataclass(frozen=True)
class Asked:
    """A question that is stored, with the request that will answer it."""

    question: Turn
    version: str
    sampling: Sampling
    left_out: int
    """Earlier messages that did not fit the model's context."""


class Reply:
    """Streams one answer and keeps it. `store(id, text, state, details)` writes the turn."""

    def __init__(
        self,
        asked: Asked,
        stream: Stream,
        run: Callable[[str], SqlOutcome | None],
        store: Callable[[str, str, str, dict[str, Any]], Turn],
        *,
        id: str | None = None,
    ) -> None:
        self.id = id or new_id()
        self._asked, self._stream, self._run, self._store = asked, stream, run, store
        self._written, self._said = "", Said("", "")
        self._kept = False
        self._agreed: bool | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """That of its turn."""
        return (self.id,)

    def stop(self) -> None:
        """Ask for the end; what there is of the answer is stored as stopped."""
        self._stream.cancel()

    def updates(self) -> Generator[Update]:
        """At most 20 a second and one at least every 0.25 s while the model works; closing it cancels the answer."""
        try:
            yield self._update()
            yield from self._flow()
            generation = self._stream.result()
            outcome, turn = self._keep(generation, STATES[generation.finish_reason])
        finally:
            if not self._kept:
                self._stream.cancel()
                self._keep(self._stream.result(), "aborted")
        yield self._update(done=True, turn=turn, outcome=outcome, notice=self._notice(generation))

    def _flow(self) -> Iterator[Update]:
        last, shown = time.monotonic(), ""
        for piece in self._stream:
            self._written += piece or ""
            now = time.monotonic()
            if now - last >= SHORTEST_PAUSE_S or (piece and not shown):
                last, shown = now, self._written
                self._said = parted(self._written, prompt=self._stream.waiting.rendered_prompt, growing=True)
                yield self._update()

    def _update(self, **last: Any) -> Update:
        question = self._asked.question
        said = self._said
        return Update(question.conversation_id, question.id, self.id, said.text, said.thinking, **last)

    def _keep(self, generation: Generation, state: str) -> tuple[SqlOutcome | None, Turn]:
        self._kept = True
        # The model may write its thoughts without an opening tag when its own template wrote that.
        said = self._said = parted(generation.text, prompt=generation.rendered_prompt)
        outcome = None
        try:
            if state == "complete":
                outcome = self._run(said.text)
            if outcome is not None and generation.words is not None:
                outcome, self._agreed = told(outcome, generation.words)
        finally:
            # Even if running the statement failed in a way nobody foresaw, the answer was given and is kept.
            turn = self._store(self.id, said.text, state, self._details(generation, outcome))
        return outcome, turn

    def _details(self, generation: Generation, outcome: SqlOutcome | None) -> dict[str, Any]:
        logprob = generation.mean_logprob
        first = generation.first_token_s
        return {
            "base": generation.base,
            "base_form": generation.base_form,
            "rendered_prompt": generation.rendered_prompt,
            "sampling": asdict(self._asked.sampling),
            "prompt_tokens": generation.prompt_tokens,
            "completion_tokens": generation.completion_tokens,
            "tokens_estimated": generation.tokens_estimated,
            "first_token_ms": None if first is None else round(first * 1000, 1),
            "total_ms": round(generation.total_s * 1000, 1),
            "finish_reason": generation.finish_reason,
            "mean_logprob": logprob if logprob is None or math.isfinite(logprob) else None,
            "error": generation.error,
            "left_out": self._asked.left_out,
            "thinking": self._said.thinking or None,
            "words": None if generation.words is None else {"said": generation.words, "agreed": self._agreed},
            "sql": None if outcome is None else stored_outcome(outcome),
        }

    def _notice(self, generation: Generation) -> str | None:
        asked, words = self._asked, []
        if generation.finish_reason == "error":
            words.append(generation.error or "")
        if generation.finish_reason == "deadline":
            words.append(say("notice.stopped", seconds=f"{asked.sampling.deadline_s:g}"))
        if generation.finish_reason == "length":
            words.append(say("notice.cut", count=generation.completion_tokens))
        if asked.left_out:
            words.append(say("notice.left_out", count=asked.left_out))
        return " ".join(words) or None


def stored_outcome(outcome: SqlOutcome) -> dict[str, Any]:
    """The outcome as a turn keeps it: all fields, `row_count`, and `rows_cut` when fewer rows are kept."""
    kept = [list(row) for row in outcome.rows[:MOST_ROWS]]
    if _json_size(kept) > MOST_ROWS_JSON:
        kept = kept[:FEW_ROWS]
    while _json_size(kept) > MOST_ROWS_JSON:
        kept = kept[: len(kept) // 2]
    return {
        **asdict(outcome),
        "rows": kept,
        "row_count": len(outcome.rows),
        "rows_cut": len(kept) < len(outcome.rows),
    }


def _json_size(rows: list[list[Any]]) -> int:
    return len(json.dumps(rows, ensure_ascii=False).encode())
