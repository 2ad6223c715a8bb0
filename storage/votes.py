"""What reviewers said of an example that goes to two, before it is decided. Appended; knows nothing of who may."""

from datetime import UTC, datetime

from storage.database import Database
from storage.ids import new_id
from storage.records import stamped
from storage.transaction import Row, Transaction

TAKEN_BACK = "reopened"


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
        """(created_by, decision, completion) of the votes on a text that stand, oldest first."""
        rows = tx.rows(
            "SELECT created_by, decision, completion FROM votes WHERE example_id = ? AND event_id = ? ORDER BY id",
            [example_id, event_id],
        )
        return standing(rows)

    def pairs(self) -> list[tuple[str, str]]:
        """The first two decisions on every text that two have judged, oldest text first."""
        texts: dict[str, list[Row]] = {}
        for row in self._db.rows("SELECT event_id, created_by, decision FROM votes ORDER BY event_id, id"):
            texts.setdefault(row["event_id"], []).append(row)
        judged = [[vote["decision"] for vote in standing(rows)] for rows in texts.values()]
        return [(decisions[0], decisions[1]) for decisions in judged if len(decisions) > 1]


def standing(votes: list[Row]) -> list[Row]:
    """The latest vote of each person, in the order of their first; one that was taken back is none."""
    latest: dict[str, Row] = {}
    for vote in votes:
        latest[vote["created_by"]] = vote
    return [vote for vote in latest.values() if vote["decision"] != TAKEN_BACK]
