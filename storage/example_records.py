"""What an example is: its fields, its states, and how it comes out of a row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.transaction import Row

PROVENANCES = ("correction", "thumb", "preference", "edited", "imported", "synthetic")
WEIGHTS = {"thumb": 0, "preference": 1}
"""How much a proposal says beside those not named: a thumb holds no better words, a preference another answer's."""
STATE_OF = {
    "proposed": "pending",
    "reopened": "pending",
    "redacted": "pending",
    "approved": "approved",
    "rejected": "rejected",
    "skipped": "skipped",
    "quarantined": "quarantined",
    "withdrawn": "withdrawn",
}
LIVE = ("pending", "skipped", "approved")
"""States on the way into a dataset."""
DECISIONS = ("approved", "rejected", "skipped", "reopened", "quarantined", "withdrawn")
KIND_OF_NEW = {"pending": "proposed", "approved": "approved", "quarantined": "quarantined"}

Message = dict[str, str]


@dataclass(frozen=True)
class Example:
    id: str
    provenance: str
    turn_id: str | None
    conversation_id: str | None
    prompt: list[Message]
    completion: str
    answer: str | None
    """What the model had said."""
    version: str | None
    split: str | None
    """The side an import fixed; None leaves it to the freeze."""
    source: str
    reasons: list[str]
    comment: str
    created: datetime
    created_by: str
    state: str
    reason: str | None
    """Why it was decided so."""
    decided_by: str | None
    decided_at: datetime | None
    event_id: str
    """Give it back with a decision, to be told when another came first."""
    redacted: bool = False
    """A reviewer had personal data replaced, and `prompt` is not as it came."""


@dataclass(frozen=True)
class NewExample:
    """An example that does not come from a turn."""

    prompt: Sequence[Message]
    completion: str
    provenance: str = "imported"
    split: str | None = None
    source: str = "import"
    state: str = "pending"
    answer: str | None = None
    reasons: Sequence[str] = ()
    comment: str = ""
    tags: Sequence[str] = ()


def kinds_of(state: str | None) -> list[str]:
    """The kinds of event that lead to a state, or to any."""
    return [kind for kind in STATE_OF if state in (None, STATE_OF[kind])]


def from_row(row: Row) -> Example:
    """A row of an example joined with its latest event."""
    decided = row["kind"] != "proposed"
    return Example(
        id=row["id"], provenance=row["provenance"], turn_id=row["turn_id"], conversation_id=row["conversation_id"],
        prompt=json.loads(row["prompt"]), completion=row["completion"], answer=row["answer"], version=row["version"],
        split=row["split"], source=row["source"], reasons=json.loads(row["reasons"]), comment=row["comment"],
        created=row["created"], created_by=row["created_by"], state=STATE_OF[row["kind"]], reason=row["reason"],
        decided_by=row["decided_by"] if decided else None, decided_at=row["decided_at"] if decided else None,
        event_id=row["event_id"], redacted=row["redacted"],
    )  # fmt: skip
