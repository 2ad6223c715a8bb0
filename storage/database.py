"""The database of a home: opens it whatever happened to it, and is the only way to read and write it.

Owns the start-up checks, the writer and the reading cursors. Knows nothing of what the tables mean: stores do.
While it is open, nothing else in the process may open the file: its lock would be lost without a word.
"""

import atexit
import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from storage import ids, ledger, migrations
from storage.engine import Engine, is_fatal, unwritten
from storage.errors import DatabaseDamaged, StorageError
from storage.files import fsync_dir
from storage.ledger import Head, Tail
from storage.salvage import is_full, spare_name, wal_of
from storage.transaction import Row, fetch
from storage.transaction import Transaction as Transaction
from storage.writer import Ask, Writer

T = TypeVar("T")


@dataclass(frozen=True)
class OpenReport:
    """What opening found: fit for a page."""

    salvaged: bool = False
    lost: int = 0
    """Acknowledged records that are in the side file's count and not in the database."""
    messages: list[str] = field(default_factory=list)


class Database:
    """Reads on a cursor of one's own, writes through the writer thread; made by `Database.open`."""

    def __init__(self, engine: Engine, tail: Tail, report: OpenReport) -> None:
        self._engine = engine
        self.tail = tail
        self.report = report
        with engine.cursor() as cursor:
            schema = migrations.columns(cursor)
            head = ledger.head(cursor)
            ids.advance_past(ledger.newest_id(cursor))
        self._writer = Writer(engine, schema, head, tail)
        self.tables = tuple(schema)
        atexit.register(self.close)

    @classmethod
    def open(cls, path: Path, tail: Path) -> "Database":
        """Open or create; salvage a damaged log, migrate, compare with the side file. Raises StorageError."""
        spare = _spare_log(path)
        engine = Engine(path)
        try:
            _migrate(engine)
            side = Tail(tail)
            report = _compare(engine, side, spare)
            return cls(engine, side, report)
        except BaseException:
            engine.close()
            raise

    @property
    def head(self) -> Head:
        """Number and hash of the newest ledger line."""
        return self._writer.head

    def write(self, job: Callable[[Transaction], T], *, by: str) -> T:
        """Run a job on the writer thread; returns its result once its rows are durable.

        The job may run more than once and must do nothing but read and append through its transaction. Its own
        exceptions come back unchanged, with nothing of it kept. Raises DiskFull, Unwritten, StorageError.
        """
        result: T = self._writer.submit(Ask(job, by))
        return result

    def rows(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """All rows as dicts, as of now."""
        try:
            with self._engine.cursor() as cursor:
                return fetch(cursor, sql, args)
        except duckdb.Error as error:
            if not is_fatal(error):
                raise _read_error(error) from error
        # The writer meets the same error and opens anew; asking it to do nothing waits for that.
        self._writer.submit(Ask(lambda cursor: cursor.execute("SELECT 1").fetchall(), "", alone=True))
        with self._engine.cursor() as cursor:
            return fetch(cursor, sql, args)

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
        with self._engine.cursor() as cursor:
            cursor.begin()
            try:
                yield partial(fetch, cursor)
            finally:
                cursor.rollback()

    def checkpoint(self) -> None:
        """Fold the log into the file; worth it after what must not be lost to a damaged log."""
        self._writer.submit(Ask(lambda cursor: cursor.execute("CHECKPOINT").fetchall(), "", alone=True))

    def backup(self, out: Path) -> None:
        """A consistent copy as one file while writing goes on. Raises StorageError where `out` exists."""
        if out.exists():
            raise StorageError(f"`{out}` exists already. Name a new file for the backup.")
        part = out.with_name(f".{out.name}.part")
        part.unlink(missing_ok=True)
        try:
            with self._engine.cursor() as cursor:
                _copy(cursor, part)
        except duckdb.Error as error:
            part.unlink(missing_ok=True)
            raise unwritten(error) from error
        part.replace(out)
        fsync_dir(out.parent)

    def close(self) -> None:
        """Finish what was asked for, write a checkpoint, close. A second call does nothing."""
        atexit.unregister(self.close)
        self._writer.close()
        self._engine.close()
        self.tail.close()


def _copy(cursor: duckdb.DuckDBPyConnection, out: Path) -> None:
    live = cursor.execute("SELECT current_database()").fetchall()[0][0]
    name = "backup_" + ids.new_id()
    quoted = str(out).replace("'", "''")
    cursor.execute(f"ATTACH '{quoted}' AS {name}")
    try:
        cursor.execute(f'COPY FROM DATABASE "{live}" TO {name}')
    finally:
        cursor.execute(f"DETACH {name}")


def _spare_log(path: Path) -> Path | None:
    """A copy of the log of an app that did not end well, kept only if opening turns out to lose rows."""
    log = wal_of(path)
    if not log.exists() or not log.stat().st_size:
        return None
    spare = spare_name(log, "before")
    try:
        shutil.copy2(log, spare)
    except OSError:
        # No room for a copy is no reason not to start: without damage nobody will miss it.
        spare.unlink(missing_ok=True)
        return None
    return spare


def _migrate(engine: Engine) -> None:
    with engine.cursor() as cursor:
        done = migrations.applied(cursor)
        if 0 < done < len(migrations.STEPS):
            _copy(cursor, spare_name(engine.path, f"before-step-{done + 1}"))
        migrations.migrate(cursor)


def _compare(engine: Engine, tail: Tail, spare: Path | None) -> OpenReport:
    """Hold the ledger against the side file; the spare copy of the log stays only where something is missing."""
    with engine.cursor() as cursor:
        lost, messages = ledger.compare(cursor, tail)
    kept = list(engine.kept)
    if spare is not None and (lost or messages) and not kept:
        kept.append(spare)
    elif spare is not None:
        spare.unlink()
    if engine.kept:
        messages.insert(0, "The database's log was damaged. Everything before the damage was kept.")
    if kept:
        names = ", ".join(f"`{path}`" for path in kept)
        messages.append(f"The log as it was found is kept in {names}.")
    return OpenReport(bool(engine.kept), lost, messages)


def _read_error(error: duckdb.Error) -> BaseException:
    if "Corrupt" in str(error):
        return DatabaseDamaged(
            f"The database file is damaged ({str(error).splitlines()[0]}). Nothing was changed. "
            "Stop Flywheel and restore a backup with `python -m flywheel restore`."
        )
    return unwritten(error) if is_full(error) else error
