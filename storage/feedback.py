"""Thumbs and corrections on assistant turns: appended, the latest of a person counts.

Knows nothing of examples: what feedback leads to is the services' matter.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.consents import HELD_TURNS
from storage.database import Database
from storage.errors import BadValue, Missing
from storage.ids import new_id
from storage.records import inside, stamped
from storage.transaction import Row, Transaction

RATINGS = ("up", "down")


@dataclass(frozen=True)
class Feedback:
    id: str
    turn_id: str
    by: str
    rating: str | None
    """`up`, `down`, or None when the person took the thumb back."""
    reasons: list[str]
    comment: str
    created: datetime


@dataclass(frozen=True)
class Correction:
    id: str
    turn_id: str
    by: str
    text: str
    created: datetime


@dataclass(frozen=True)
class Corrected:
    """A correction with what was asked and what had been answered."""

    correction: Correction
    question: str
    answer: str
    version: str | None
    """Who had answered."""
    held: bool
    """Nothing may learn from it now."""


class FeedbackStore:
    """Reads and appends feedback and corrections."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def rate(
        self,
        turn_id: str,
        rating: str | None,
        reasons: Sequence[str] = (),
        comment: str = "",
        *,
        by: str,
        tx: Transaction | None = None,
    ) -> Feedback:
        """From now on this person's feedback on the turn; what they gave before no longer counts. Raises Missing."""
        if rating is not None and rating not in RATINGS:
            raise BadValue(f"The field `rating` cannot be `{rating}`. It is `up`, `down` or nothing.")
        made = Feedback(new_id(), turn_id, by, rating, list(reasons), comment, datetime.now(UTC))
        row = {"id": made.id, "turn_id": turn_id, "rating": rating, "reasons": made.reasons, "comment": comment}

        def job(t: Transaction) -> Feedback:
            _require_turn(t, turn_id)
            t.append("feedback", stamped(row, by, made.created))
            return made

        return inside(self._db, tx, by, job)

    def correct(self, turn_id: str, text: str, *, by: str, tx: Transaction | None = None) -> Correction:
        """What a person says the answer should have been. Raises Missing."""
        made = Correction(new_id(), turn_id, by, text, datetime.now(UTC))
        row = {"id": made.id, "turn_id": turn_id, "text": text}

        def job(t: Transaction) -> Correction:
            _require_turn(t, turn_id)
            t.append("corrections", stamped(row, by, made.created))
            return made

        return inside(self._db, tx, by, job)

    def ratings(self, turn_ids: Sequence[str], by: str | None = None) -> dict[str, Feedback]:
        """Turn → latest feedback, of that person where one is named; a thumb taken back is there with rating None."""
        return {row["turn_id"]: _feedback(row) for row in self._latest("feedback", turn_ids, by)}

    def corrections(self, turn_ids: Sequence[str], by: str | None = None) -> dict[str, Correction]:
        """Turn → latest correction, of that person where one is named."""
        return {row["turn_id"]: _correction(row) for row in self._latest("corrections", turn_ids, by)}

    def corrected_by(self, person: str) -> list[Corrected]:
        """The latest correction of each answer that this person corrected, newest first."""
        rows = self._db.rows(
            f"""WITH mine AS (SELECT * FROM corrections WHERE created_by = ?
                QUALIFY row_number() OVER (PARTITION BY turn_id ORDER BY id DESC) = 1)
            SELECT mine.*, a.content AS answer, a.version, coalesce(q.content, '') AS question,
                a.id IN ({HELD_TURNS}) AS held
            FROM mine JOIN turns a ON a.id = mine.turn_id LEFT JOIN turns q ON q.id = a.parent_id
            ORDER BY mine.id DESC""",
            [person],
        )
        return [
            Corrected(_correction(row), row["question"], row["answer"], row["version"], row["held"]) for row in rows
        ]

    def counts(self) -> dict[str, int]:
        """{"up", "down", "corrections"}: thumbs that stand now, and all corrections."""
        found = self._db.row(
            """SELECT count(*) FILTER (rating = 'up')::BIGINT AS up, count(*) FILTER (rating = 'down')::BIGINT AS down,
                (SELECT count(*) FROM corrections) AS corrections
            FROM (SELECT arg_max_null(rating, id) AS rating FROM feedback GROUP BY turn_id, created_by)"""
        )
        return found or {}

    def _latest(self, table: str, turn_ids: Sequence[str], by: str | None) -> list[Row]:
        if not turn_ids:
            return []
        return self._db.rows(
            f"""SELECT * FROM {table} WHERE turn_id IN (SELECT unnest($1::VARCHAR[]))
                AND (created_by = $2 OR $2 IS NULL)
            QUALIFY row_number() OVER (PARTITION BY turn_id ORDER BY id DESC) = 1""",
            [list(turn_ids), by],
        )


def _require_turn(tx: Transaction, turn_id: str) -> None:
    if not tx.holds("turns", turn_id):
        raise Missing(f"There is no answer `{turn_id}`. Load the page again.")


def _feedback(row: Row) -> Feedback:
    return Feedback(
        row["id"], row["turn_id"], row["created_by"], row["rating"], json.loads(row["reasons"]),
        row["comment"], row["created"],
    )  # fmt: skip


def _correction(row: Row) -> Correction:
    return Correction(row["id"], row["turn_id"], row["created_by"], row["text"], row["created"])
