"""One transaction of the writer thread, shared by all jobs that arrived together.

Appended rows wait in memory and go to the engine as one INSERT per table: a statement costs far more than a row.
Reads inside a transaction see all earlier appends, because they flush first. A job is a plain function of its
Transaction and may be run again, so it must not do anything else that cannot be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import duckdb

from storage.chain import Entry, Head, chain
from storage.errors import BadValue
from storage.migrations import LEDGER, Columns
from storage.recent import Recent
from storage.rows import Value, check_text, row_hash, stored

T = TypeVar("T")
Row = dict[str, Any]

_LEDGER_TYPES = ("BIGINT", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
_INSERT_ROWS = 5000
_FEW_ROWS = 2
# Parsing an INSERT costs as much as ten rows; what is parsed belongs to no connection.
_PARSED: dict[str, duckdb.Statement] = {}


class Batch:
    """What the jobs of one transaction have appended so far."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, schema: Mapping[str, Columns], recent: Recent) -> None:
        self._cursor = cursor
        self._schema = schema
        self._recent = recent
        # Parallel lists: each append adds one to both, a flush empties the first.
        self._waiting: list[tuple[str, dict[str, Value]]] = []
        self._entries: list[Entry] = []
        self._erased: set[tuple[str, str]] = set()
        self.error: duckdb.Error | None = None
        """The first error of the engine: after it the transaction can only be rolled back."""

    @property
    def size(self) -> int:
        return len(self._entries)

    def append(self, table: str, row: Mapping[str, Any], by: str) -> None:
        declared = self._schema.get(table)
        if declared is None:
            raise BadValue(f"There is no table `{table}`. The tables are: {', '.join(self._schema)}.")
        values = stored(table, declared, row)
        entry = Entry(table, str(values["id"]), check_text("by", by), row_hash(table, values))
        self._waiting.append((table, values))
        self._entries.append(entry)

    def undo(self, size: int) -> bool:
        """Forget all appends after the first `size`; False when some are with the engine already."""
        extra = self.size - size
        if extra > len(self._waiting):
            return False
        if extra:
            del self._waiting[-extra:], self._entries[-extra:]
        return True

    def rows(self, sql: str, args: Sequence[Any]) -> list[Row]:
        self.flush()
        return self._guarded(lambda: fetch(self._cursor, sql, args))

    def erase(self, table: str, row_ids: Sequence[str]) -> None:
        """Delete rows. What was appended before goes to the engine first, so a job that fails later is rolled back."""
        self.flush()
        self._erased.update((table, row_id) for row_id in row_ids)
        sql = f'DELETE FROM "{table}" WHERE id IN (SELECT unnest(?::VARCHAR[]))'
        self._guarded(lambda: self._cursor.execute(sql, [list(row_ids)]))

    def holds(self, table: str, row_id: str) -> bool:
        if (table, row_id) in self._erased:
            return False
        if any(entry.row_id == row_id and entry.table == table for entry in self._entries):
            return True
        if self._recent.holds(table, row_id):
            return True
        found = self._guarded(lambda: fetch(self._cursor, f'SELECT 1 FROM "{table}" WHERE id = ?', [row_id]))
        return bool(found)

    def changed(self, table: str) -> bool:
        """Whether this transaction has appended to a table or erased of it."""
        return any(entry.table == table for entry in self._entries) or any(name == table for name, _ in self._erased)

    def flush(self) -> None:
        """Hand the waiting rows to the engine."""
        waiting: dict[str, list[dict[str, Value]]] = {}
        for table, values in self._waiting:
            waiting.setdefault(table, []).append(values)
        self._waiting.clear()
        for table, rows in waiting.items():
            types = [column.type for column in self._schema[table].values()]
            self._insert(table, types, [tuple(row.values()) for row in rows])

    def seal(self, head: Head) -> Head:
        """Flush, write the ledger lines of all appends, and tell the new head. Call it last, once."""
        self.flush()
        sealed, lines = chain(head, self._entries, datetime.now(UTC))
        self._insert(LEDGER, _LEDGER_TYPES, lines)
        return sealed

    def remember(self) -> None:
        """The transaction is committed: what it did is known from now on."""
        self._recent.committed(self._entries, self._erased)

    def _insert(self, table: str, types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if 0 < len(rows) <= _FEW_ROWS:
            statement = self._statement(_marked(table, len(types), len(rows)))
            self._guarded(lambda: self._cursor.execute(statement, [cell for row in rows for cell in row]))
            return
        statement = self._statement(_unnested(table, types))
        for start in range(0, len(rows), _INSERT_ROWS):
            part = rows[start : start + _INSERT_ROWS]
            self._guarded(
                lambda lists: self._cursor.execute(statement, lists), [list(cells) for cells in zip(*part, strict=True)]
            )

    def _statement(self, sql: str) -> duckdb.Statement:
        if sql not in _PARSED:
            _PARSED[sql] = self._cursor.extract_statements(sql)[0]
        return _PARSED[sql]

    def _guarded(self, run: Callable[..., T], *args: Any) -> T:
        if self.error is not None:
            raise self.error
        try:
            return run(*args)
        except duckdb.Error as error:
            self.error = error
            raise


def _marked(table: str, cells: int, rows: int) -> str:
    """For the few rows of an answer. Without types, which the values have already: `stored` has checked each."""
    row = ", ".join("?" * cells)
    # A row alone costs a third less to plan as a selection than as a list of values.
    return f'INSERT INTO "{table}" ' + (f"SELECT {row}" if rows == 1 else "VALUES " + ", ".join([f"({row})"] * rows))


def _unnested(table: str, types: Sequence[str]) -> str:
    """For many rows: lists unnested side by side, 15 times faster than a mark per cell."""
    return f'INSERT INTO "{table}" SELECT ' + ", ".join(f"unnest(?::{kind}[])" for kind in types)


class Transaction:
    """What a job sees: reads, and appends in the name of `by`."""

    def __init__(self, batch: Batch, by: str) -> None:
        self._batch = batch
        self.by = by

    def append(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row and its ledger line. Dicts and lists are stored as JSON text. Raises BadValue."""
        self._batch.append(table, row, self.by)

    def rows(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        return self._batch.rows(sql, args)

    def row(self, sql: str, args: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, args)
        return found[0] if found else None

    def value(self, sql: str, args: Sequence[Any] = ()) -> Any:
        found = self.row(sql, args)
        return next(iter(found.values())) if found else None

    def erase(self, table: str, row_ids: Sequence[str]) -> None:
        """Delete rows for good; append what proves it (`erasures`) first, else a job that fails could not be undone."""
        if row_ids:
            self._batch.erase(table, row_ids)

    def changed(self, table: str) -> bool:
        """Whether the jobs of this transaction have changed a table so far."""
        return self._batch.changed(table)

    def holds(self, table: str, row_id: str) -> bool:
        """Whether a row with this id is there; much cheaper than reading it while others append."""
        return self._batch.holds(table, row_id)


def fetch(cursor: duckdb.DuckDBPyConnection, sql: str, args: Sequence[Any]) -> list[Row]:
    """All rows as dicts; nothing is left open on the cursor."""
    result = cursor.execute(sql, list(args))
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, cells, strict=True)) for cells in result.fetchall()]
