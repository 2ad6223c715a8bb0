"""What was read last, for as long as the tables it was read from stay as they were.

Reading the smallest row costs the engine milliseconds, and what is decided was shown just before. Holds few values and
small ones. Knows nothing of what they mean.
"""

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

from storage.database import Database
from storage.transaction import Transaction

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST = 32

Stamp = tuple[tuple[int, int], ...]
"""Another one after every commit that changed one of the tables."""


class Known(Generic[K, V]):
    """The newest values, by key. Thread-safe."""

    def __init__(self, db: Database, *tables: str) -> None:
        self._db, self._tables = db, tables
        self._lock = threading.Lock()
        # A dict for its order: the oldest leave first.
        self._values: dict[K, tuple[Stamp, V]] = {}

    def stamp(self) -> Stamp:
        """Take it before reading what `put` is given."""
        return tuple(self._db.changes(table) for table in self._tables)

    def get(self, key: K, tx: Transaction | None = None) -> V | None:
        """The value if it holds still; inside of a transaction, if that has not changed the tables either."""
        with self._lock:
            stamp, value = self._values.get(key, (None, None))
        if stamp != self.stamp() or (tx is not None and any(tx.changed(table) for table in self._tables)):
            return None
        return value

    def put(self, key: K, stamp: Stamp, value: V) -> None:
        """Keep a value that was read after the stamp was taken."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (stamp, value)
            while len(self._values) > MOST:
                del self._values[next(iter(self._values))]
