"""What one reviewer said of an example that goes on waiting: the first of two judgements, or that they put it off.

Appended, each on the text of an event: what is said of one text is nothing for another. Knows nothing of who may.
"""

from datetime import UTC, datetime

from storage.database import Database
from storage.example_records import Example
from storage.example_writes import current_of
from storage.ids import new_id
from storage.records import stamped
from storage.transaction import Row, Transaction

TAKEN_BACK = "reopened"
SKIPPED = "skipped"


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

    def skip(self, example: Example, seconds: float | None, *, by: str) -> bool:
        """Put an example off for one reviewer; False where they have judged it. Raises Missing, Stale when it is not as
        it was read."""

        def job(tx: Transaction) -> bool:
            current_of(tx, example.id, example.event_id)
            free = by not in [vote["created_by"] for vote in self.said(tx, example.id, example.event_id)]
            if free:
                self.add(tx, example.id, example.event_id, SKIPPED, example.completion, None, seconds)
            return free

        return bool(self._db.write(job, by=by))

    def take_back(self, example: Example, *, by: str) -> bool:
        """Take back what one reviewer said of the text as it stands; False where they said nothing."""

        def job(tx: Transaction) -> bool:
            sql = "SELECT arg_max(decision, id) FROM votes WHERE example_id = ? AND event_id = ? AND created_by = ?"
            said = tx.value(sql, [example.id, example.event_id, by])
            if said not in (None, TAKEN_BACK):
                self.add(tx, example.id, example.event_id, TAKEN_BACK, example.completion, None, None)
            return said not in (None, TAKEN_BACK)

        return bool(self._db.write(job, by=by))

    def pairs(self) -> list[tuple[str, str]]:
        """The first two decisions on every text that two have judged, oldest text first."""
        texts: dict[str, list[Row]] = {}
        for row in self._db.rows("SELECT event_id, created_by, decision FROM votes ORDER BY event_id, id"):
            texts.setdefault(row["event_id"], []).append(row)
        judged = [[vote["decision"] for vote in standing(rows)] for rows in texts.values()]
        return [(decisions[0], decisions[1]) for decisions in judged if len(decisions) > 1]


def latest(votes: list[Row]) -> list[Row]:
    """The last word of each person, in the order of their first."""
    words: dict[str, Row] = {}
    for vote in votes:
        words[vote["created_by"]] = vote
    return list(words.values())


def standing(votes: list[Row]) -> list[Row]:
    """The judgements that stand: one that was taken back is none, nor is putting off."""
    return [vote for vote in latest(votes) if vote["decision"] not in (TAKEN_BACK, SKIPPED)]
