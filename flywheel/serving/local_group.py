"""The answers of one version under way: prompts are read, rows joined, drawn a token further and ended one by one.

A group is all that its rows see: they keep their version to the last token. Knows no queue and no other group.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from flywheel.errors import PUBLIC
from flywheel.serving.engine import AdapterSpec
from flywheel.serving.local_batch import Rows, SharedRows, SingleRows, read_prompts
from flywheel.serving.local_decode import Row, draw
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

MOST_ROWS = 16
MOST_READ, LEAST_READ = 512, 16
"""Tokens of prompts read at once; a request to stop is heard in between."""
STALL_S = 0.05
"""Reading holds up those who are being answered by about this long at a time."""
log = logging.getLogger(__name__)


class Pace:
    """How much of a prompt to read at once, from how long the last part took."""

    def __init__(self) -> None:
        self._tokens_per_s = MOST_READ / STALL_S

    def budget(self, *, alone: bool) -> int:
        """Tokens. `alone`: nobody is held up by the reading."""
        return MOST_READ if alone else min(MOST_READ, max(LEAST_READ, int(self._tokens_per_s * STALL_S)))

    def took(self, tokens: int, seconds: float) -> None:
        """Learn from a part that was read."""
        self._tokens_per_s = tokens / max(seconds, 1e-6)


class Group:
    """Up to 16 answers by one version."""

    def __init__(
        self, version: str, spec: AdapterSpec | None, *, apart: bool, pace: Pace, ended: Callable[[Row], None]
    ) -> None:
        """`spec` is None for the base itself. `apart`: rows take each step alone. `ended` is told of each row."""
        self.version, self.spec = version, spec
        self._form = spec.base_form if spec else "full"
        self._memory: Rows = SingleRows() if apart else SharedRows()
        self._together = not apart
        self._pace, self._ended = pace, ended
        self._unread: deque[Row] = deque()
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._unread) + len(self._rows)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row when it is as long as it may become."""
        return [row.most for row in (*self._unread, *self._rows)]

    def add(self, row: Row) -> None:
        """Take a row in; its prompt is read in the next turns."""
        self._unread.append(row)

    def drop_over(self) -> None:
        """End the rows that nobody waits for any more."""
        for place in reversed(range(len(self._rows))):
            if self._rows[place].over():
                self._end(place)
        for row in [row for row in self._unread if row.over()]:
            self._unread.remove(row)
            self._finish(row)

    def turn(self, model: Any, *, alone: bool) -> None:
        """Read some of the prompts, then draw one token for each row. `alone`: there is no other group."""
        if self._unread:
            self._read(model, alone=alone and not self._rows)
        if self._rows:
            logits = self._memory.step(model, [row.last for row in self._rows])
            self._take(logits, 0)

    def fail(self, words: str) -> None:
        """End every row with an error."""
        rows, self._rows, self._unread = [*self._rows, *self._unread], [], deque()
        for row in rows:
            self._finish(row, words)

    def _read(self, model: Any, *, alone: bool) -> None:
        budget = self._pace.budget(alone=alone)
        rows = self._next_unread(budget)
        parts = [row.prompt[row.read : row.read + budget] for row in rows]
        began = time.monotonic()
        logits, memory = read_prompts(model, parts, rows[0].memory)
        self._pace.took(len(parts) * max(map(len, parts)), time.monotonic() - began)
        first = rows[0]
        first.read, first.memory = first.read + len(parts[0]), memory
        if first.read < len(first.prompt):
            return
        first.memory = None
        for _ in rows:
            self._unread.popleft()
        self._memory.join(memory, [row.prompt for row in rows])
        self._rows += rows
        self._take(logits, len(self._rows) - len(rows))

    def _next_unread(self, budget: int) -> list[Row]:
        """The prompt to read on, or those at the head of the line that are read together within the budget."""
        rows = [self._unread[0]]
        longest = len(rows[0].prompt)
        if not self._together or rows[0].read or longest > budget:
            return rows
        for row in list(self._unread)[1:]:
            longest = max(longest, len(row.prompt))
            if longest * (len(rows) + 1) > budget:
                break
            rows.append(row)
        return rows

    def _take(self, logits: Any, first: int) -> None:
        """Give the rows from place `first` on their next token and end those for which it was the last."""
        drawn = draw(logits, self._rows[first:])
        # From the last to the first: the place of a row that ends is taken by one that had its turn.
        for place in reversed(range(first, len(self._rows))):
            try:
                goes_on = self._rows[place].take(*drawn[place - first])
            except PUBLIC as error:
                self._end(place, words_of(error))
            except Exception:
                log.exception("answering with %s failed", self.version)
                self._end(place, say("error.model.failed"))
            else:
                if not goes_on:
                    self._end(place)

    def _end(self, place: int, error: str | None = None) -> None:
        row, self._rows[place] = self._rows[place], self._rows[-1]
        self._rows.pop()
        self._memory.leave(place)
        self._finish(row, error)

    def _finish(self, row: Row, error: str | None = None) -> None:
        try:
            row.finish(self._form, error)
        except Exception:
            log.exception("ending an answer with %s failed", self.version)
            row.finish(self._form, say("error.model.failed"))
        self._ended(row)
