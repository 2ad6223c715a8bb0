"""The one DuckDB connection of the process: a fresh cursor for each use, and opening anew when it broke.

A connection shared by threads returns one thread's rows to another; cursors do not. After a fatal error (the disk
filled up inside a checkpoint) the whole instance refuses every call until it is closed and opened again.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from storage.errors import DiskFull, Stale, StorageError, Unwritten
from storage.salvage import Opened, connect, connect_to_read, damaged, first_line, is_damage, is_full

_PATIENCE_S = 10.0
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)


class Engine:
    """Cursors on one database file."""

    def __init__(self, path: Path, *, writing: bool = True) -> None:
        """Opens the file. Without `writing` nothing is changed or mended, and a broken connection is not renewed."""
        self.path = path
        opened = connect(path) if writing else Opened(connect_to_read(path))
        self.kept = opened.kept
        self._connection: duckdb.DuckDBPyConnection | None = opened.connection
        self._gate = threading.Condition()
        self._in_use = 0
        self._turning = False
        self._closed = False
        self.generation = 1
        """How often it was opened; what is known of the database holds for one generation."""

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own for the length of the block. Raises StorageError when closed or not to be opened."""
        with self._gate:
            while self._turning:
                self._gate.wait()
            cursor = self._open_connection().cursor()
            self._in_use += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._gate:
                self._in_use -= 1
                self._gate.notify_all()

    def reopen(self) -> None:
        """Close and open again, with growing pauses. Raises StorageError when it stays shut; each use tries again."""
        with self._turned():
            self._drop()
            self._connection = self._connect_again()

    def close(self) -> None:
        """Wait for the cursors in use, then close (DuckDB writes a checkpoint)."""
        with self._turned():
            self._closed = True
            self._drop()

    def abandon(self) -> None:
        """Close and leave the files exactly as they are."""
        with self._turned():
            self._closed = True
            if self._connection is not None:
                self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            self._drop()

    @contextmanager
    def _turned(self) -> Iterator[None]:
        """Alone with the connection: new cursors wait, old ones have ended."""
        with self._gate:
            while self._turning:
                self._gate.wait()
            self._turning = True
            # A reader that hangs must not keep the writer from coming back.
            self._gate.wait_for(lambda: not self._in_use, timeout=_PATIENCE_S)
        try:
            yield
        finally:
            with self._gate:
                self._turning = False
                self._gate.notify_all()

    def _open_connection(self) -> duckdb.DuckDBPyConnection:
        if self._closed:
            raise StorageError("The database is closed: Flywheel is shutting down. Start it again.")
        if self._connection is None:
            self._connection = self._taken(connect(self.path))
        return self._connection

    def _connect_again(self) -> duckdb.DuckDBPyConnection:
        for pause in _PAUSES_S:
            time.sleep(pause)
            try:
                return self._taken(connect(self.path))
            except StorageError as error:
                last = error
        raise last

    def _taken(self, opened: Opened) -> duckdb.DuckDBPyConnection:
        self.kept = [*self.kept, *opened.kept]
        self.generation += 1
        return opened.connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_fatal(error: BaseException) -> bool:
    """Whether the engine refuses everything until it is opened anew."""
    return isinstance(error, duckdb.FatalException) or "database has been invalidated" in str(error)


def told(path: Path, error: BaseException, *, writing: bool) -> BaseException:
    """The error as a person gets it; one that shows a defect of ours (bad SQL, a job's own) stays as it is."""
    if isinstance(error, StorageError) or not isinstance(error, duckdb.Error):
        return error
    if is_damage(error):
        return damaged(path, error)
    if isinstance(error, duckdb.ConstraintException) or "violation: duplicate key" in str(error):
        return Stale("A row with this id was stored already. Load the page again to see it.")
    if is_full(error):
        kept = " and nothing of this was kept" if writing else ""
        return DiskFull(f"The disk is full{kept}. Free some space and try again.")
    if is_fatal(error) or isinstance(error, duckdb.IOException):
        return Unwritten(f"The database did not answer ({first_line(error)}). Nothing of this was kept; try again.")
    return error
