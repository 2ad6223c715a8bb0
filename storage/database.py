"""The database of a home: opens it whatever happened to it, and is the only way to read and write it.

Owns the start-up checks, the writer and the reading cursors. Knows nothing of what the tables mean: stores do.
While it is open, nothing else in the process may open the file: its lock would be lost without a word.
"""

import atexit
import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from storage.chain import Head, Tail
from storage.engine import told
from storage.errors import StorageError, Unwritten
from storage.files import fsync_dir
from storage.opening import Opening, copy_to, looked_at, opened
from storage.opening import OpenReport as OpenReport
from storage.transaction import Row, fetch
from storage.transaction import Transaction as Transaction
from storage.writer import Ask, Writer, write_tail

T = TypeVar("T")


class Database:
    """Reads on a cursor of one's own, writes through the writer thread; made by `Database.open`."""

    def __init__(self, opening: Opening, tail: Tail, *, writing: bool = True) -> None:
        self._engine = opening.engine
        self.tail = tail
        self.report = opening.report
        self.tables = tuple(opening.schema)
        self._head = opening.head
        self._writer: Writer | None = None
        if writing:
            write_tail(tail, opening.head)
            self._writer = Writer(opening.engine, opening.schema, opening.head, tail)
        atexit.register(self.close)

    @classmethod
    def open(cls, path: Path, tail: Path) -> "Database":
        """Open or create; salvage a damaged log, migrate, compare with the side file. Raises StorageError."""
        side = Tail(tail)
        return cls(opened(path, side), side)

    @classmethod
    def look(cls, path: Path, tail: Path) -> "Database":
        """Open for reading alone: no file is changed, whatever is found. Raises StorageError."""
        return cls(looked_at(path), Tail(tail), writing=False)

    @property
    def head(self) -> Head:
        """Number and hash of the newest ledger line."""
        return self._head if self._writer is None else self._writer.head

    def changes(self, table: str) -> tuple[int, int]:
        """Another value after every commit that changed the table: what was read under one holds as long as it does."""
        return self._engine.generation, self._writer.recent.changes(table) if self._writer else 0

    def write(self, job: Callable[[Transaction], T], *, by: str) -> T:
        """Run a job on the writer thread; returns its result once its rows are durable.

        The job may run more than once and must do nothing but read and append through its transaction. Its own
        exceptions come back unchanged, with nothing of it kept. Raises DiskFull, Unwritten, StorageError.
        """
        result: T = self._submit(Ask(job, by))
        return result

    def rows(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """All rows as dicts, as of now."""
        try:
            return self._fetch(sql, args)
        except Unwritten:
            # Only a fatal error ends here. The writer meets it too and opens anew; asking for nothing waits for that.
            with contextlib.suppress(StorageError):
                self._submit(Ask(lambda cursor: cursor.execute("SELECT 1").fetchall(), "", alone=True))
            return self._fetch(sql, args)

    def row(self, sql: str, args: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, args)
        return found[0] if found else None

    def value(self, sql: str, args: Sequence[Any] = ()) -> Any:
        """The first cell of the first row, None without rows."""
        found = self.row(sql, args)
        return next(iter(found.values())) if found else None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], list[Row]]]:
        """Several reads of one state: yields a function like `rows`."""
        with self._reading() as cursor:
            cursor.begin()
            # The engine fixes the state at the first read, not at BEGIN.
            fetch(cursor, "SELECT count(*) FROM migrations", [])
            try:
                yield partial(fetch, cursor)
            finally:
                with contextlib.suppress(duckdb.Error):
                    # Nothing was written; after an error the engine may have ended the transaction itself.
                    cursor.rollback()

    def checkpoint(self) -> None:
        """Fold the log into the file; worth it after what must not be lost to a damaged log."""
        self._submit(Ask(lambda cursor: cursor.execute("CHECKPOINT").fetchall(), "", alone=True))

    def backup(self, out: Path) -> None:
        """A consistent copy as one file while writing goes on. Raises StorageError where `out` exists."""
        if out.exists():
            raise StorageError(f"`{out}` exists already. Name a new file for the backup.")
        part = out.with_name(f".{out.name}.part")
        part.unlink(missing_ok=True)
        try:
            with self._engine.cursor() as cursor:
                copy_to(cursor, part)
        except duckdb.Error as error:
            part.unlink(missing_ok=True)
            raise told(self._engine.path, error, writing=True) from error
        part.replace(out)
        fsync_dir(out.parent)

    def _submit(self, ask: Ask) -> Any:
        if self._writer is None:
            raise StorageError("This database is open for reading alone. Open it to write.")
        return self._writer.submit(ask)

    def _fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        with self._reading() as cursor:
            return fetch(cursor, sql, args)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._engine.cursor() as cursor:
                yield cursor
        except duckdb.Error as error:
            raise told(self._engine.path, error, writing=False) from error

    def close(self) -> None:
        """Finish what was asked for, write a checkpoint, close. A second call does nothing."""
        atexit.unregister(self.close)
        if self._writer is not None:
            self._writer.close()
        self._engine.close()
        self.tail.close()
