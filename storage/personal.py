"""What is stored of a person: which rows that are, handing them out, erasing them with a record that proves what went.

Each erased row leaves a row in `erasures` (its table, id and hash), and with it a line of the ledger: an audit accepts
exactly these as missing. Frozen dataset rows stay: they are what versions were trained on, and count as withdrawn.
Knows nothing of who may ask for it.
"""

import json
from dataclasses import dataclass

from storage.database import Database
from storage.datasets import FROZEN_ROWS
from storage.erasures import erased
from storage.transaction import Row, Transaction

_CONVERSATIONS = "SELECT id FROM conversations WHERE owner = $1"
_TURNS = f"SELECT id FROM turns WHERE conversation_id IN ({_CONVERSATIONS})"
_EXAMPLES = f"SELECT id FROM examples WHERE conversation_id IN ({_CONVERSATIONS})"
OF_PERSON = {
    "conversations": "owner = $1",
    "conversation_events": f"conversation_id IN ({_CONVERSATIONS})",
    "turns": f"conversation_id IN ({_CONVERSATIONS})",
    "feedback": f"created_by = $1 OR turn_id IN ({_TURNS})",
    "corrections": f"created_by = $1 OR turn_id IN ({_TURNS})",
    "examples": f"conversation_id IN ({_CONVERSATIONS})",
    "example_events": f"example_id IN ({_EXAMPLES})",
    "example_tags": f"example_id IN ({_EXAMPLES})",
    "pins": f"example_id IN ({_EXAMPLES})",
    "drafts": f"example_id IN ({_EXAMPLES})",
    "votes": f"example_id IN ({_EXAMPLES})",
    "comparisons": f"conversation_id IN ({_CONVERSATIONS})",
    "notices": "created_by = $1",
    # What its owner said of a key holds for what comes through it later, too.
    "consents": "person = $1 AND (conversation_id IS NOT NULL OR NOT starts_with(person, 'key:'))",
}
"""Table → which rows of it are a person's ($1). A new table with texts of people belongs in here."""
NOT_OF_PERSON = (
    "dataset_reports", "dataset_rows", "dataset_versions", "erasures", "invitation_events", "invitations", "key_events",
    "keys", "promotions", "publication_ends", "publications", "run_events", "runs", "scores", "versions",
)  # fmt: skip
"""Tables that hold what the project made or decided."""
_JSON = ("details", "reasons", "prompt")


@dataclass(frozen=True)
class FrozenRows:
    """Rows of a dataset version that came of what a person wrote."""

    dataset: str
    example_ids: list[str]


class PersonalStore:
    """Finds, hands out and erases the rows of a person."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def ids(self, person: str) -> dict[str, list[str]]:
        """Table → ids of what there is of a person, every table present."""
        return {
            table: [row["id"] for row in self._db.rows(f'SELECT id FROM "{table}" WHERE {which} ORDER BY id', [person])]
            for table, which in OF_PERSON.items()
        }

    def rows(self, person: str) -> dict[str, list[Row]]:
        """Table → the rows themselves, lists and dicts as such. Whoever else decided on an example is not named."""
        with self._db.snapshot() as read:
            found = {
                table: read(f'SELECT * FROM "{table}" WHERE {which} ORDER BY id', [person])
                for table, which in OF_PERSON.items()
            }
        return {table: [_shown(row, person) for row in rows] for table, rows in found.items()}

    def frozen(self, person: str) -> list[FrozenRows]:
        """What of a person is in dataset versions, oldest version first."""
        sql = (
            "SELECT number, list(example_id ORDER BY position) AS ids"
            f" FROM {FROZEN_ROWS} WHERE example_id IN ({_EXAMPLES}) GROUP BY number ORDER BY number"
        )
        return [FrozenRows(f"d{row['number']}", row["ids"]) for row in self._db.rows(sql, [person])]

    def erase(self, person: str, *, by: str) -> dict[str, int]:
        """Delete all rows of a person in one transaction; table → how many went. Then the log is folded into the file,
        for it still holds the texts."""

        def job(tx: Transaction) -> dict[str, int]:
            found = {
                table: tx.rows(f'SELECT * FROM "{table}" WHERE {which} ORDER BY id', [person])
                for table, which in OF_PERSON.items()
            }
            return {table: erased(tx, table, rows) for table, rows in found.items()}

        counts = self._db.write(job, by=by)
        if any(counts.values()):
            self._db.checkpoint()
        return counts


def _shown(row: Row, person: str) -> Row:
    row = {name: json.loads(value) if name in _JSON and value else value for name, value in row.items()}
    if row["created_by"] != person:
        del row["created_by"]
    return row
