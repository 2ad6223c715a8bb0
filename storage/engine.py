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

from storage.errors import DiskFull, StorageError, Unwritten
from storage.salvage import Opened, connect, is_full

_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)


class Engine:
    """Cursors on one database file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        opened = connect(path)
        self.kept = opened.kept
        self._connection: duckdb.DuckDBPyConnection | None = opened.connection
        self._gate = threading.Condition()
        self._in_use = 0
        self._turning = False
        self._closed = False

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

    @contextmanager
    def _turned(self) -> Iterator[None]:
        """Alone with the connection: new cursors wait, old ones have ended."""
        with self._gate:
            while self._turning:
                self._gate.wait()
            self._turning = True
            while self._in_use:
                self._gate.wait()
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
            opened = connect(self.path)
            self._note(opened)
            self._connection = opened.connection
        return self._connection

    def _connect_again(self) -> duckdb.DuckDBPyConnection:
        for pause in _PAUSES_S:
            time.sleep(pause)
            try:
                opened = connect(self.path)
            except StorageError as error:
                last = error
            else:
                self._note(opened)
                return opened.connection
        raise last

    def _note(self, opened: Opened) -> None:
        self.kept = [*self.kept, *opened.kept]

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_fatal(error: BaseException) -> bool:
    """Whether the engine refuses everything until it is opened anew."""
    return isinstance(error, duckdb.FatalException) or "database has been invalidated" in str(error)


def unwritten(error: BaseException) -> StorageError:
    """What a person is told about a write that the engine could not take."""
    if is_full(error):
        return DiskFull("The disk is full and nothing of this was kept. Free some space and try again.")
    first = str(error).splitlines()[0].rstrip(".")
    return Unwritten(f"The database did not take the write ({first}). Nothing of it was kept; try again.")
