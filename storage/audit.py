"""What people decided, newest first: on examples with the text before and after, on datasets, runs, versions, keys.

Reads the tables of the stores side by side, ordered by time. Texts that nothing may be learnt from
are left out. Knows nothing of who may read what.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.consents import HELD_EXAMPLES
from storage.database import Database
from storage.transaction import Row

_ENTRIES = """
    SELECT id, created, created_by, 'example' AS kind, kind AS action, example_id AS subject, reason
        FROM example_events WHERE kind <> 'proposed'
    UNION ALL SELECT id, created, created_by, 'example',
        CASE decision WHEN 'skipped' THEN decision ELSE 'voted ' || decision END, example_id, reason FROM votes
    UNION ALL SELECT id, created, created_by, 'example', CASE kind WHEN 'pinned' THEN kind ELSE 'unpinned' END,
        example_id, NULL FROM pins
    UNION ALL SELECT id, created, created_by, 'dataset', 'frozen', 'd' || number, nullif(note, '') FROM dataset_versions
    UNION ALL SELECT id, created, created_by, 'run', 'started', number::VARCHAR, method || ', ' || preset FROM runs
    UNION ALL SELECT id, created, created_by, 'run', state, number::VARCHAR, reason FROM run_events
        WHERE state IN ('cancelled', 'finished', 'failed')
    UNION ALL SELECT id, created, created_by, 'version', kind, version, override FROM promotions
    UNION ALL SELECT id, created, created_by, 'version', 'published', version, repo FROM publications
    UNION ALL SELECT id, created, created_by, 'access', 'key created', 'k' || number, role FROM keys
    UNION ALL SELECT id, created, created_by, 'access', 'key revoked', key_id, NULL FROM key_events
        WHERE kind = 'revoked'
    UNION ALL SELECT id, created, created_by, 'access', 'reviewer invited', name, NULL FROM invitations
    UNION ALL SELECT id, created, created_by, 'access', 'reviewer ' || kind, name, NULL FROM invitation_events"""
_PAGE = f"""SELECT * FROM ({_ENTRIES})
    WHERE list_contains($1::VARCHAR[], kind) AND ($2::VARCHAR IS NULL OR starts_with(created_by, $2))
        AND ($3::VARCHAR IS NULL OR starts_with(action, $3)) AND ($4::VARCHAR IS NULL OR subject = $4)
        AND ($5::VARCHAR IS NULL OR (created, id) < ($5::TIMESTAMPTZ, $6::VARCHAR))
    ORDER BY created DESC, id DESC LIMIT $7"""
_TEXTS = f"""SELECT e.id, e.completion AS after, b.completion AS before,
        e.example_id IN ({HELD_EXAMPLES}) AS held
    FROM example_events e LEFT JOIN example_events b ON b.example_id = e.example_id AND b.id < e.id
    WHERE e.id IN (SELECT unnest($1::VARCHAR[])) AND e.example_id IN
        (SELECT example_id FROM example_events WHERE id IN (SELECT unnest($1::VARCHAR[])))
    QUALIFY row_number() OVER (PARTITION BY e.id ORDER BY b.id DESC) = 1"""
KINDS = ("example", "dataset", "run", "version", "access")


@dataclass(frozen=True)
class Entry:
    """One decision."""

    id: str
    at: datetime
    by: str
    kind: str
    """One of KINDS."""
    action: str
    """What was done, in a word or two: `approved`, `frozen`, `promoted`."""
    subject: str
    """What it was done to: an example's id, `d3`, `v2`, a run's number, a key's id, a reviewer's name."""
    reason: str | None
    before: str | None = None
    """Of an example: its completion before; None where nothing was, or where it must not be read."""
    after: str | None = None

    @property
    def place(self) -> str:
        """Where it stands: the page after it begins here."""
        return f"{self.at.isoformat()} {self.id}"


@dataclass(frozen=True)
class Filters:
    """What is wanted; None: all."""

    kinds: Sequence[str] = KINDS
    by: str | None = None
    """The beginning of a person's id."""
    action: str | None = None
    """The beginning of an action."""
    subject: str | None = None


class AuditStore:
    """Reads decisions."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def page(self, filters: Filters, limit: int, before: str | None = None) -> list[Entry]:
        """Newest first; `before` is the place of the last entry of the page above."""
        at, _, id = (before or "").partition(" ")
        wanted = [list(filters.kinds), filters.by, filters.action, filters.subject, at or None, id, limit]
        rows = self._db.rows(_PAGE, wanted)
        on_examples = [row["id"] for row in rows if row["kind"] == "example"]
        texts = {row["id"]: row for row in self._db.rows(_TEXTS, [on_examples])} if on_examples else {}
        return [_entry(row, texts.get(row["id"])) for row in rows]


def _entry(row: Row, text: Row | None) -> Entry:
    readable = text is not None and not text["held"]
    return Entry(
        row["id"], row["created"], row["created_by"], row["kind"], row["action"], row["subject"], row["reason"],
        text["before"] if text and readable else None, text["after"] if text and readable else None,
    )  # fmt: skip
