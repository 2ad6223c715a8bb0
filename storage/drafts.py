"""Fingerprints of the drafts that a model wrote for an example: whether what is approved are a model's own words.

No text is kept, so nothing of a draft that nobody took can be read here. Knows nothing of who drafts.
"""

import hashlib
from datetime import UTC, datetime

from storage.database import Database
from storage.ids import new_id
from storage.records import stamped

BLANKS = " \n\t"
DRAFTED = f"""SELECT d.example_id FROM drafts d JOIN latest e ON e.example_id = d.example_id
    WHERE d.text_hash = sha256(trim(e.completion, '{BLANKS}'))"""
"""Of `latest` (example_id, completion): those whose completion is a draft, apart from blanks at the ends."""


class DraftStore:
    """Appends fingerprints."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def remember(self, example_id: str, text: str, *, by: str) -> None:
        """A model drafted this for the example."""
        digest = hashlib.sha256(text.strip(BLANKS).encode()).hexdigest()
        row = {"id": new_id(), "example_id": example_id, "text_hash": digest}
        self._db.write(lambda t: t.append("drafts", stamped(row, by, datetime.now(UTC))), by=by)
