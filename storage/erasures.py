"""Rows that go for good: each leaves its table, id and hash, by which an audit accepts exactly these as missing."""

from collections.abc import Sequence
from datetime import UTC, datetime

from storage.ids import new_id
from storage.records import stamped
from storage.rows import row_hash
from storage.transaction import Row, Transaction


def erased(tx: Transaction, table: str, rows: Sequence[Row]) -> int:
    """Erase whole rows as they were read, with the proof of what went; returns how many."""
    at = datetime.now(UTC)
    for row in rows:
        gone = {"id": new_id(), "table_name": table, "row_id": row["id"], "row_hash": row_hash(table, row)}
        tx.append("erasures", stamped(gone, tx.by, at))
    tx.erase(table, [row["id"] for row in rows])
    return len(rows)
