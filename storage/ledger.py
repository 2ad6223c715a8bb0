"""Proving the ledger: no stored row was changed, removed or added behind the writer's back, none of the newest lost.

A row that was erased at somebody's wish is missing with a record of its own (`erasures`): exactly these may be missing.
Reads every row once. Knows nothing of what the rows mean.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from storage.chain import Entry, Head, line_hash
from storage.database import Database
from storage.rows import row_hash
from storage.transaction import Row

_LINES = 5000

Read = Callable[[str, Sequence[Any]], list[Row]]


@dataclass(frozen=True)
class LedgerReport:
    """Whether the ledger and all rows it speaks of are as they were written."""

    ok: bool
    rows: int
    """Lines read."""
    first_bad_seq: int | None
    """The first line that does not hold; None when all do, or when rows are there that no line speaks of."""
    message: str
    erased: int = 0
    """Rows that are missing because they were erased, as is recorded."""


def verify(db: Database) -> LedgerReport:
    """Walk the chain and hash every row again. Rows written meanwhile do not disturb it."""
    # Read before the snapshot: the side file may run ahead of the snapshot, never of the database.
    try:
        witness = db.tail.read()
    except ValueError as error:
        return LedgerReport(False, 0, None, f"The side file cannot be read: {error}. Start Flywheel again to mend it.")
    with db.snapshot() as read:
        walk = _Walk(read)
        problem = walk.run() or _strangers(read, db.tables, walk.lines_of) or _against(read, witness, walk.head)
    if problem is None:
        words = f"All {walk.head.seq} records are as they were written"
        words += f"; {walk.erased} of their rows were erased, as is recorded." if walk.erased else "."
        return LedgerReport(True, walk.head.seq, None, words, walk.erased)
    seq, words = problem
    return LedgerReport(False, walk.head.seq, seq, words, walk.erased)


class _Walk:
    """Along the chain, some lines at a time."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.head = Head()
        self.lines_of: Counter[str] = Counter()
        self.erased = 0
        # A forged row in here is found like any other: it has no line, or another hash than its line.
        self._gone = {
            (row["table_name"], row["row_id"]): row["row_hash"]
            for row in read("SELECT table_name, row_id, row_hash FROM erasures", [])
        }

    def run(self) -> tuple[int, str] | None:
        """The first bad line and what is wrong with it."""
        while lines := self._read("SELECT * FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", [self.head.seq, _LINES]):
            good, broken = self._chained(lines)
            problem = self._rows_of(lines[:good]) or broken
            if problem is not None:
                return problem
        return None

    def _chained(self, lines: Sequence[Row]) -> tuple[int, tuple[int, str] | None]:
        """How many lines hold on to each other, and the first that does not."""
        for index, line in enumerate(lines):
            seq = self.head.seq + 1
            if line["seq"] != seq:
                return index, (seq, f"Record {seq} is missing from the ledger.")
            entry = Entry(line["table_name"], line["row_id"], line["created_by"], line["row_hash"])
            if line_hash(self.head.hash, seq, line["created"], entry) != line["hash"]:
                return index, (seq, f"Record {seq} was changed: its hash does not follow from the one before.")
            self.head = Head(seq, line["hash"])
            self.lines_of[entry.table] += 1
        return len(lines), None

    def _rows_of(self, lines: Sequence[Row]) -> tuple[int, str] | None:
        """The first line whose row is not as it was written."""
        by_table: dict[str, dict[str, Row]] = {}
        for line in lines:
            by_table.setdefault(line["table_name"], {})[line["row_id"]] = line
        bad: list[tuple[int, str]] = []
        for table, wanted in by_table.items():
            found = {row["id"]: row_hash(table, row) for row in self._fetch(table, list(wanted))}
            for row_id, line in wanted.items():
                if words := self._wrong(table, line, found.get(row_id)):
                    bad.append((line["seq"], words))
        return min(bad, default=None)

    def _wrong(self, table: str, line: Row, found: str | None) -> str | None:
        """What is wrong with the row of a line, whose hash as it is now is `found` (None: it is not there)."""
        erased = self._gone.get((table, line["row_id"]))
        if erased is None and found is None:
            return f"The row of record {line['seq']} is gone from `{table}`."
        if erased is not None and found is not None:
            return f"The row of record {line['seq']} in `{table}` was erased, and is there again."
        if (found or erased) != line["row_hash"]:
            return f"The row of record {line['seq']} in `{table}` was changed" + (", then erased." if erased else ".")
        if erased is not None:
            self.erased += 1
            self.lines_of[table] -= 1
        return None

    def _fetch(self, table: str, ids: list[str]) -> list[Row]:
        # The range lets the engine skip all parts of the table that cannot hold any of them.
        sql = f'SELECT * FROM "{table}" WHERE id BETWEEN ? AND ? AND id IN (SELECT unnest(?::VARCHAR[]))'
        return self._read(sql, [min(ids), max(ids), ids])


def _strangers(read: Read, tables: Sequence[str], lines_of: Counter[str]) -> tuple[None, str] | None:
    """Rows that no line speaks of."""
    for table in tables:
        extra = read(f'SELECT count(*) AS n FROM "{table}"', [])[0]["n"] - lines_of[table]
        if extra:
            return None, f"`{table}` holds {extra} rows that no record of the ledger speaks of."
    return None


def _against(read: Read, witness: Head | None, head: Head) -> tuple[int | None, str] | None:
    """What the side file knows better."""
    if witness is None or witness.seq == 0:
        return None
    if witness.seq > head.seq:
        return head.seq + 1, f"The newest {witness.seq - head.seq} acknowledged records are missing."
    line = read("SELECT hash FROM ledger WHERE seq = ?", [witness.seq])[0]
    if line["hash"] == witness.hash:
        return None
    return None, f"The ledger was rewritten at or before record {witness.seq}: the side file holds another hash."
