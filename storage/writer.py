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

from storage import ledger
from storage.engine import Engine, is_fatal, unwritten
from storage.errors import Stale, StorageError
from storage.ledger import Head, Tail
from storage.migrations import Columns
from storage.salvage import is_full
from storage.transaction import Batch, Transaction

log = logging.getLogger(__name__)

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


class Writer:
    """Owns the thread, the queue and the head of the ledger."""

    def __init__(self, engine: Engine, schema: Mapping[str, Columns], head: Head, tail: Tail) -> None:
        self._engine = engine
        self._schema = schema
        self._tail = tail
        self.head = head
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
        while asks := self._next():
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
        attempt = _Attempt(self._schema, self.head, asks)
        try:
            with self._engine.cursor() as cursor:
                attempt.run(cursor)
        except BaseException as error:
            self._recover(attempt, error)
        else:
            self._acknowledge(attempt)

    def _acknowledge(self, attempt: "_Attempt") -> None:
        if attempt.sealed != self.head:
            self.head = attempt.sealed
            try:
                self._tail.write(self.head)
            except OSError as error:
                # The rows are durable and the side file may lag; the next commit writes it again.
                log.warning("`%s` could not be written: %s", self._tail.path, error)
        attempt.settle()

    def _recover(self, attempt: "_Attempt", error: BaseException) -> None:
        if is_fatal(error):
            self._after_fatal(attempt, error)
        elif len(attempt.asks) == 1:
            attempt.fail(_told(error))
        elif is_full(error):
            attempt.fail(unwritten(error))
        else:
            for ask in attempt.asks:
                self._write([ask])

    def _after_fatal(self, attempt: "_Attempt", error: BaseException) -> None:
        """Open anew; the ledger then says whether the transaction had reached the disk."""
        log.warning("the database is opened anew: %s", str(error).splitlines()[0])
        try:
            self._engine.reopen()
            with self._engine.cursor() as cursor:
                now = ledger.head(cursor)
        except (StorageError, duckdb.Error) as stuck:
            attempt.fail(stuck if isinstance(stuck, StorageError) else unwritten(stuck))
            return
        if now == attempt.sealed:
            self._acknowledge(attempt)
        else:
            attempt.fail(unwritten(error))

    def _run_alone(self, ask: Ask) -> None:
        try:
            with self._engine.cursor() as cursor:
                ask.result = ask.job(cursor)
        except BaseException as error:
            ask.error = _told(error)
            if is_fatal(error):
                self._reopen()
        ask.settled.set()

    def _reopen(self) -> None:
        try:
            self._engine.reopen()
        except StorageError as stuck:
            log.warning("the database stays shut: %s", stuck)


class _Attempt:
    """One transaction over some asks: what came of each, kept until the COMMIT is known to hold."""

    def __init__(self, schema: Mapping[str, Columns], head: Head, asks: Sequence[Ask]) -> None:
        self._schema = schema
        self._head = head
        self.asks = asks
        self.sealed = head
        """The head of the ledger once this is committed."""
        self._outcomes: list[tuple[Any, BaseException | None]] = []

    def run(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Run all jobs and commit. Raises where the transaction as a whole did not hold, after rolling back."""
        cursor.begin()
        batch = Batch(cursor, self._schema)
        try:
            for ask in self.asks:
                self._outcomes.append(_outcome(batch, ask))
            if batch.size:
                self.sealed = batch.seal(self._head)
            cursor.commit()
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                # Already rolled back by the engine in some cases; the first error is the one that tells.
                cursor.rollback()
            raise

    def settle(self) -> None:
        for ask, (result, error) in zip(self.asks, self._outcomes, strict=True):
            ask.result, ask.error = result, error
            ask.settled.set()

    def fail(self, error: BaseException) -> None:
        for ask in self.asks:
            ask.error = error
            ask.settled.set()


def _outcome(batch: Batch, ask: Ask) -> tuple[Any, BaseException | None]:
    before = batch.size
    try:
        result = ask.job(Transaction(batch, ask.by))
    except Exception as error:
        if batch.error is not None or not batch.undo(before):
            raise
        return None, error
    if batch.error is not None:
        # The job swallowed an error of the engine; the transaction is lost all the same.
        raise batch.error
    return result, None


def _told(error: BaseException) -> BaseException:
    """The error as the asker gets it: engine errors that a person can meet in words, others as they are."""
    if isinstance(error, duckdb.ConstraintException) or "violation: duplicate key" in str(error):
        return Stale("A row with this id was stored already. Load the page again to see it.")
    if isinstance(error, duckdb.Error) and (is_full(error) or is_fatal(error) or isinstance(error, duckdb.IOException)):
        return unwritten(error)
    return error
