"""What people chose between two answers to one question. One choice for a pair; the texts are turns.

Knows nothing of examples: what a choice leads to is the services' matter.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from storage.database import Database
from storage.errors import Missing, Stale
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Transaction

VERDICTS = ("left", "right", "bad", "same")
"""Which answer is better, by where it stood; or both are bad, or it makes no difference."""


@dataclass(frozen=True)
class Comparison:
    """One choice. `left_id` and `right_id` are turns, as they were shown."""

    id: str
    conversation_id: str
    left_id: str
    right_id: str
    verdict: str
    by: str
    created: datetime


class ComparisonStore:
    """Reads and appends choices."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        conversation_id: str,
        left_id: str,
        right_id: str,
        verdict: str,
        *,
        by: str,
        tx: Transaction | None = None,
    ) -> Comparison:
        """Keep a choice. Raises BadValue, Missing, and Stale when one was made between the two before."""
        one_of("verdict", verdict, VERDICTS)
        made = Comparison(new_id(), conversation_id, left_id, right_id, verdict, by, datetime.now(UTC))
        row = {"id": made.id, "conversation_id": conversation_id, "left_id": left_id, "right_id": right_id}

        def job(t: Transaction) -> Comparison:
            for turn_id in (left_id, right_id):
                if not t.holds("turns", turn_id):
                    raise Missing(f"There is no answer `{turn_id}`. Load the page again.")
            if t.row("SELECT 1 FROM comparisons WHERE left_id = ?", [left_id]):
                raise Stale("You have chosen between these two answers already. Reload the page.")
            t.append("comparisons", stamped({**row, "verdict": verdict}, by, made.created))
            return made

        return inside(self._db, tx, by, job)

    def between(self, left_id: str) -> Comparison | None:
        """What was chosen between this turn and the one to its right; None while nothing was."""
        found = self._db.row("SELECT * FROM comparisons WHERE left_id = ?", [left_id])
        if found is None:
            return None
        return Comparison(
            found["id"], found["conversation_id"], found["left_id"], found["right_id"], found["verdict"],
            found["created_by"], found["created"],
        )  # fmt: skip
