"""What reviewers said of an example that goes to two, before it is decided. Appended; knows nothing of who may."""

from datetime import UTC, datetime

from storage.database import Database
from storage.ids import new_id
from storage.records import stamped
from storage.transaction import Row, Transaction


class VoteStore:
    """Reads and appends votes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        tx: Transaction,
        example_id: str,
        event_id: str,
        decision: str,
        completion: str,
        reason: str | None,
        seconds: float | None,
    ) -> None:
        """Keep what `tx.by` says of the text of an event."""
        row: Row = {"id": new_id(), "example_id": example_id, "event_id": event_id, "decision": decision}
        row |= {"completion": completion, "reason": reason, "seconds": seconds}
        tx.append("votes", stamped(row, tx.by, datetime.now(UTC)))

    def said(self, tx: Transaction, example_id: str, event_id: str) -> list[Row]:
        """(created_by, decision, completion) of each vote on a text, oldest first."""
        return tx.rows(
            "SELECT created_by, decision, completion FROM votes WHERE example_id = ? AND event_id = ? ORDER BY id",
            [example_id, event_id],
        )

    def pairs(self) -> list[tuple[str, str]]:
        """The first two decisions on every text that two have judged, in the order of the second."""
        rows = self._db.rows(
            "SELECT list(decision ORDER BY id)[:2] AS two, list(id ORDER BY id)[2] AS second FROM votes"
            " GROUP BY example_id, event_id HAVING count(*) > 1 ORDER BY second"
        )
        return [(row["two"][0], row["two"][1]) for row in rows]
