"""What a person has been told once and need not be told again. Knows nothing of what it says."""

from datetime import UTC, datetime

from storage.database import Database
from storage.ids import new_id
from storage.records import stamped
from storage.transaction import Transaction


class NoticeStore:
    """Reads and appends the notices that people have put away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def seen_by(self, person: str) -> set[str]:
        """The names of the notices that this person has put away."""
        rows = self._db.rows("SELECT notice FROM notices WHERE created_by = ?", [person])
        return {row["notice"] for row in rows}

    def put_away(self, notice: str, *, by: str) -> None:
        """This person has seen it. A second time changes nothing."""

        def job(tx: Transaction) -> None:
            if not tx.row("SELECT 1 FROM notices WHERE created_by = ? AND notice = ?", [by, notice]):
                tx.append("notices", stamped({"id": new_id(), "notice": notice}, by, datetime.now(UTC)))

        self._db.write(job, by=by)
