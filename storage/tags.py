"""Tags of examples: put on and taken off by reviewers, each an appended row, of which the latest counts.

Knows nothing of who may tag what, nor of what a tag may be called.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Row, Transaction

KINDS = ("added", "removed")
TAGGED = """SELECT example_id, tag FROM (SELECT example_id, tag, arg_max(kind, id) AS kind FROM example_tags
    GROUP BY example_id, tag) WHERE kind = 'added'"""
"""Example and tag of every tag that is on."""


class TagStore:
    """Reads and appends tags."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def mark(
        self, example_ids: Sequence[str], tag: str, kind: str = "added", *, by: str, tx: Transaction | None = None
    ) -> int:
        """Put a tag on, or take it off; returns on how many examples that changed something. Raises Missing."""
        one_of("kind", kind, KINDS)

        def job(t: Transaction) -> int:
            changed = 0
            for example_id in example_ids:
                if not t.holds("examples", example_id):
                    raise Missing(f"There is no example `{example_id}`. Load the page again.")
                latest = t.value(
                    "SELECT arg_max(kind, id) FROM example_tags WHERE example_id = ? AND tag = ?", [example_id, tag]
                )
                if (latest or "removed") != kind:
                    row = {"id": new_id(), "example_id": example_id, "tag": tag, "kind": kind}
                    t.append("example_tags", stamped(row, by, datetime.now(UTC)))
                    changed += 1
            return changed

        return inside(self._db, tx, by, job)

    def of(self, example_ids: Sequence[str]) -> dict[str, list[str]]:
        """Example → its tags in alphabetical order; those without any are left out."""
        return tags_of(self._db.rows, example_ids)


def put_on(tx: Transaction, example_id: str, tags: Sequence[str]) -> None:
    """The tags that a new example comes with."""
    for tag in tags:
        row = {"id": new_id(), "example_id": example_id, "tag": tag, "kind": "added"}
        tx.append("example_tags", stamped(row, tx.by, datetime.now(UTC)))


def tags_of(read: Callable[[str, Sequence[Any]], list[Row]], example_ids: Sequence[str]) -> dict[str, list[str]]:
    """As TagStore.of, with any way to read."""
    sql = f"SELECT * FROM ({TAGGED}) WHERE example_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY example_id, tag"
    tags: dict[str, list[str]] = {}
    for row in read(sql, [[*example_ids]]):
        tags.setdefault(row["example_id"], []).append(row["tag"])
    return tags
