"""What the writer knows of its newest commits without asking the engine: ids of rows that are there, changes of tables.

Planning even the smallest query costs the engine more than most answers can spare. An id that is not known here may be
there all the same; one that is known was committed and not erased since. Only the writer's thread changes it.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice

from storage.chain import Entry

MOST_KNOWN = 4096

Id = tuple[str, str]
"""Table and row id."""


class Recent:
    """The ids of the newest rows, and how often each table was changed since the start."""

    def __init__(self) -> None:
        # A dict for its order: the oldest leave first.
        self._ids: dict[Id, None] = {}
        self._changes: Counter[str] = Counter()

    def holds(self, table: str, row_id: str) -> bool:
        """Whether the row is known to be there; False says nothing."""
        return (table, row_id) in self._ids

    def changes(self, table: str) -> int:
        """A number that is another one after every commit that changed the table. Any thread may ask."""
        return self._changes[table]

    def committed(self, appended: Sequence[Entry], erased: Collection[Id]) -> None:
        """Take in what a transaction did, after its COMMIT and before anybody is told of it."""
        new = [(entry.table, entry.row_id) for entry in appended]
        self._ids.update(dict.fromkeys(new))
        for gone in erased:
            self._ids.pop(gone, None)
        for old in list(islice(self._ids, max(0, len(self._ids) - MOST_KNOWN))):
            del self._ids[old]
        self._changes.update({table for table, _ in (*new, *erased)})

    def clear(self) -> None:
        """The database was opened anew: what was in doubt may be lost."""
        self._ids.clear()
