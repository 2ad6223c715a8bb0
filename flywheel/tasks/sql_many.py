"""Many statements judged and tried at once, for an import: each by the guard's rules and within limits of its own.

A hundred go in one trip to a child. These children are others than the one that serves people, so that nobody waits
for an import; a trip that fails in whole, because one statement ended the child or took too long to be parsed, is
taken apart: its statements are run one by one, and the one that did it costs only itself.
"""

import os
import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flywheel.errors import FlywheelError, Unavailable
from flywheel.tasks.sql_rules import judge, strip_fence, text_problem
from flywheel.tasks.sql_sandbox import SqlSandbox, SqlServer

A_TRIP = 100
FEW = 50
"""So few are run by the child that is there already: another one takes longer to start."""
MOST_CHILDREN = 2


@dataclass(frozen=True)
class Tried:
    """What became of one statement. `error` is `time`, `memory`, a sentence, or None: it ran."""

    accepted: bool
    reason: str
    error: str | None = None


class Many:
    """Tries statements in children of its own, until it is closed. For one caller at a time."""

    def __init__(self, sandbox: SqlSandbox) -> None:
        self._sandbox = sandbox
        self._servers = [sandbox.spare() for _ in range(min(MOST_CHILDREN, os.cpu_count() or 1))]
        self._of: object = None

    def tried(self, statements: Sequence[str]) -> list[Tried]:
        """What becomes of each, in their order. Words, never an exception, on a failure."""
        texts = [strip_fence(statement) for statement in statements]
        try:
            known = self._sandbox.tables()
        except FlywheelError:
            # Each says why: the database was moved away, or another program writes to it.
            return [self._alone(text) for text in texts]
        if len(texts) <= FEW:
            return [self._alone(text) for text in texts]
        tables = {name: [column for column, _ in columns] for name, columns in known.items()}
        if self._sandbox.copied != self._of:
            self.close()
            self._of = self._sandbox.copied
        free: queue.SimpleQueue[SqlServer] = queue.SimpleQueue()
        for server in self._servers:
            free.put(server)

        def trip(some: Sequence[str]) -> list[Tried]:
            server = free.get()
            try:
                return self._trip(server, some, tables)
            finally:
                free.put(server)

        with ThreadPoolExecutor(len(self._servers)) as pool:
            trips = pool.map(trip, [texts[at : at + A_TRIP] for at in range(0, len(texts), A_TRIP)])
            return [tried for found in trips for tried in found]

    def close(self) -> None:
        """End the children. Safe to call twice."""
        for server in self._servers:
            server.stop()

    def _trip(self, server: SqlServer, texts: Sequence[str], tables: Mapping[str, Sequence[str]]) -> list[Tried]:
        told: dict[str, Tried] = {
            text: Tried(False, problem) for text in texts if (problem := text_problem(text)) is not None
        }
        parsed = dict(self._asked(server, "parse_all", list(dict.fromkeys(t for t in texts if t not in told))))
        for text, answer in parsed.items():
            if "tree" in answer and not (verdict := judge(answer, tables)).accepted:
                told[text] = Tried(False, verdict.reason)
        left = [text for text, answer in parsed.items() if text not in told and "tree" in answer]
        while left:
            ran = self._asked(server, "try", left)
            if not ran:
                break
            # What is left of the memory is for one statement: whoever came after others is tried again.
            told |= {text: Tried(True, "", answer["error"]) for text, answer in ran if answer["error"] != "memory"}
            left = left[len(ran) :]
        return [told[text] if text in told else self._alone(text) for text in texts]

    def _asked(self, server: SqlServer, what: str, texts: list[str]) -> list[tuple[str, dict[str, Any]]]:
        """The first of these texts with their answers; none when the trip failed as a whole."""
        try:
            answers = server.ask({what: texts}).get("answers", []) if texts else []
        except Unavailable:
            return []
        return list(zip(texts, answers, strict=False))

    def _alone(self, text: str) -> Tried:
        result = self._sandbox.run(text)
        return Tried(result.accepted, result.reason, result.error)


@contextmanager
def many(sandbox: SqlSandbox) -> Iterator[Many]:
    """For as long as an import takes."""
    trying = Many(sandbox)
    try:
        yield trying
    finally:
        trying.close()
