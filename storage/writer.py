"""The one thread that writes: it takes all jobs that wait, runs them in one transaction, and answers after COMMIT.

Invariants: a job is answered with a value only when its rows are durable; a job that fails leaves no rows and harms
no neighbour; the ledger has no gap. Proven by killing the process under load and verifying the ledger after each.
Trap: an error of the engine inside a transaction makes a later COMMIT drop everything without a word, so such a
transaction is rolled back and its jobs are run again, each alone.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from storage import chain
from storage.chain import Head, Tail
from storage.engine import Engine, is_fatal, told
from storage.errors import StorageError, Unwritten
from storage.migrations import Columns
from storage.recent import Recent
from storage.salvage import is_full
from storage.transaction import Batch, Transaction

log = logging.getLogger(__name__)

_IN_DOUBT = (
    "The disk failed in the middle of this write, and the database cannot be opened again yet. "
    "Free some space; then look whether it was kept before you try again."
)

Job = Callable[[Transaction], Any]


class Ask:
    """A job somebody waits for."""

    __slots__ = ("alone", "by", "error", "job", "result", "settled")

    def __init__(self, job: Callable[[Any], Any], by: str, *, alone: bool = False) -> None:
        self.job = job
        self.by = by
        self.alone = alone
        """Not a transaction: the job gets the writer's cursor to itself."""
        self.result: Any = None
        self.error: BaseException | None = None
        self.settled = threading.Event()

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Answer whoever waits."""
        self.result, self.error = result, error
        self.settled.set()


class Writer:
    """Owns the thread, the queue and the head of the ledger."""

    def __init__(self, engine: Engine, schema: Mapping[str, Columns], head: Head, tail: Tail) -> None:
        self._engine = engine
        self._schema = schema
        self._tail = tail
        self.head = head
        self.recent = Recent()
        self._generation = engine.generation
        self._asks: list[Ask] = []
        self._ready = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="storage-writer", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask) -> Any:
        """Wait until the ask is settled: its result, or its error raised here."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a job must not start a write of its own: pass it its transaction as `tx`")
        with self._ready:
            if self._closed:
                raise StorageError("The database is closed: Flywheel is shutting down. Start it again.")
            self._asks.append(ask)
            self._ready.notify()
        ask.settled.wait()
        if ask.error is not None:
            raise ask.error
        return ask.result

    def close(self) -> None:
        """Finish what was asked for and end the thread."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        self._thread.join()

    def _loop(self) -> None:
        asks: list[Ask] = []
        try:
            while asks := self._next():
                self._serve(asks)
        finally:
            # Reached with asks only through a defect here; whoever waits must hear of it and not wait for ever.
            with self._ready:
                self._closed = True
                asks, self._asks = asks + self._asks, []
            for ask in asks:
                if not ask.settled.is_set():
                    ask.settle(None, StorageError("The storage has stopped working. Start Flywheel again."))

    def _serve(self, asks: Sequence[Ask]) -> None:
        writes: list[Ask] = []
        for ask in asks:
            if not ask.alone:
                writes.append(ask)
                continue
            self._write(writes)
            writes = []
            self._run_alone(ask)
        self._write(writes)

    def _next(self) -> list[Ask]:
        with self._ready:
            while not self._asks and not self._closed:
                self._ready.wait()
            asks, self._asks = self._asks, []
            return asks

    def _write(self, asks: Sequence[Ask]) -> None:
        """Settle the asks: in one transaction, or one by one where that failed."""
        if not asks:
            return
        attempt = _Attempt(self._schema, asks, self.recent)
        try:
            with self._engine.cursor() as cursor:
                attempt.run(cursor, self._head(cursor))
        except BaseException as error:
            self._recover(attempt, error)
        else:
            self._acknowledge(attempt)

    def _head(self, cursor: duckdb.DuckDBPyConnection) -> Head:
        """The head of the ledger; read again after an opening, which may have kept or lost what was in doubt."""
        if self._generation != self._engine.generation:
            self.head = chain.head(cursor)
            self.recent.clear()
            self._generation = self._engine.generation
        return self.head

    def _acknowledge(self, attempt: "_Attempt") -> None:
        if attempt.sealed is not None:
            self.head = attempt.sealed
            attempt.remember()
            write_tail(self._tail, self.head)
        attempt.settle()

    def _recover(self, attempt: "_Attempt", error: BaseException) -> None:
        if is_fatal(error):
            self._after_fatal(attempt, error)
        elif len(attempt.asks) == 1 or is_full(error):
            self._fail(attempt.asks, error)
        else:
            for ask in attempt.asks:
                self._write([ask])

    def _after_fatal(self, attempt: "_Attempt", error: BaseException) -> None:
        """Open anew; the ledger then says whether the transaction had reached the disk."""
        log.warning("the database is opened anew: %s", str(error).splitlines()[0])
        try:
            self._engine.reopen()
            with self._engine.cursor() as cursor:
                now = self._head(cursor)
        except (StorageError, duckdb.Error) as stuck:
            log.warning("the database stays shut: %s", stuck)
            self._fail(attempt.asks, Unwritten(_IN_DOUBT) if attempt.sealed else stuck)
            return
        if now == attempt.sealed:
            self._acknowledge(attempt)
        else:
            self._fail(attempt.asks, error)

    def _run_alone(self, ask: Ask) -> None:
        try:
            with self._engine.cursor() as cursor:
                result = ask.job(cursor)
        except Exception as error:
            if is_fatal(error):
                self._reopen()
            self._fail([ask], error)
        else:
            ask.settle(result, None)

    def _fail(self, asks: Sequence[Ask], error: BaseException) -> None:
        for ask in asks:
            ask.settle(None, told(self._engine.path, error, writing=True))

    def _reopen(self) -> None:
        try:
            self._engine.reopen()
        except StorageError as stuck:
            log.warning("the database stays shut: %s", stuck)


class _Attempt:
    """One transaction over some asks: what came of each, kept until the COMMIT is known to hold."""

    def __init__(self, schema: Mapping[str, Columns], asks: Sequence[Ask], recent: Recent) -> None:
        self._schema = schema
        self._recent = recent
        self.asks = asks
        self.sealed: Head | None = None
        """The head of the ledger once this is committed; None where nothing was appended."""
        self._outcomes: list[tuple[Any, BaseException | None]] = []
        self._batch: Batch | None = None

    def run(self, cursor: duckdb.DuckDBPyConnection, head: Head) -> None:
        """Run all jobs and commit. Raises where the transaction as a whole did not hold, after rolling back."""
        cursor.begin()
        self._batch = batch = Batch(cursor, self._schema, self._recent)
        try:
            for ask in self.asks:
                self._outcomes.append(_outcome(batch, ask))
            if batch.size:
                self.sealed = batch.seal(head)
            cursor.commit()
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                # Already rolled back by the engine in some cases; the first error is the one that tells.
                cursor.rollback()
            raise

    def remember(self) -> None:
        if self._batch is not None:
            self._batch.remember()

    def settle(self) -> None:
        for ask, (result, error) in zip(self.asks, self._outcomes, strict=True):
            ask.settle(result, error)


def write_tail(tail: Tail, head: Head) -> None:
    """Bring the side file up to date. Where that fails it lags, which it may: the next commit writes it again."""
    try:
        tail.write(head)
    except OSError as error:
        log.warning("`%s` could not be written: %s", tail.path, error)


def _outcome(batch: Batch, ask: Ask) -> tuple[Any, BaseException | None]:
    before = batch.size
    try:
        return ask.job(Transaction(batch, ask.by)), None
    except BaseException as error:
        # Whatever it raises belongs to the asker; the thread must outlive it.
        if batch.error is not None or not batch.undo(before):
            raise
        return None, error
