"""Pins: examples kept as permanent tests; each pin and each removal is an appended row, of which the latest counts.

A pin is in force while its example is approved and its author allows learning from it. Knows nothing of who may pin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.consents import HELD_EXAMPLES
from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Transaction

KINDS = ("pinned", "removed")
_PINNED = f"""SELECT example_id, arg_max(created, id) AS created, arg_max(created_by, id) AS created_by FROM pins
    WHERE example_id NOT IN ({HELD_EXAMPLES}) AND example_id IN (SELECT id FROM examples)
    GROUP BY example_id HAVING arg_max(kind, id) = 'pinned' ORDER BY max(id) DESC"""


@dataclass(frozen=True)
class Pin:
    """An example that is pinned; whether it is approved is the example's matter."""

    example_id: str
    created: datetime
    by: str


class PinStore:
    """Reads and appends pins."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def mark(self, example_ids: Sequence[str], kind: str, *, by: str, tx: Transaction | None = None) -> int:
        """Pin examples, or take their pins away; returns of how many that changed something. Raises Missing."""
        one_of("kind", kind, KINDS)

        def job(t: Transaction) -> int:
            changed = 0
            for example_id in example_ids:
                if not t.holds("examples", example_id):
                    raise Missing(f"There is no example `{example_id}`. Load the page again.")
                latest = t.value("SELECT arg_max(kind, id) FROM pins WHERE example_id = ?", [example_id])
                if (latest or "removed") != kind:
                    row = {"id": new_id(), "example_id": example_id, "kind": kind}
                    t.append("pins", stamped(row, by, datetime.now(UTC)))
                    changed += 1
            return changed

        return inside(self._db, tx, by, job)

    def of(self, example_id: str) -> Pin | None:
        """The pin of an example that nobody took away."""
        row = self._db.row(
            "SELECT kind, created, created_by FROM pins WHERE example_id = ? ORDER BY id DESC LIMIT 1", [example_id]
        )
        return Pin(example_id, row["created"], row["created_by"]) if row and row["kind"] == "pinned" else None

    def list(self) -> list[Pin]:
        """All pins that nobody took away, newest first, without those that nothing may be learnt from."""
        return [Pin(row["example_id"], row["created"], row["created_by"]) for row in self._db.rows(_PINNED)]
