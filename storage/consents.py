"""Who allows that what they wrote is learnt from: choices of people and for single conversations; the latest counts.

The one place that says which stored text must not be learnt from. Whatever hands out examples, dataset rows or turns
for learning asks HELD_EXAMPLES or HELD_TURNS; the freeze asks again inside its transaction. Knows nothing of who may
set a choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Row, Transaction

CHOICES = ("yes", "no")
OWNER, PROGRAMS = "local:owner", "key:"
"""Who need not be asked: the owner of the machine, and programs, for which whoever issued their key has decided."""
_STEP = "m007_consent"


@dataclass(frozen=True)
class Consent:
    """A choice as it was made."""

    person: str
    conversation_id: str | None
    """None: it holds for everything the person writes."""
    choice: str
    """`yes` or `no`."""
    created: datetime


def _held(created: str) -> str:
    """Condition over a conversation `c`: what was written in it at `created` must not be learnt from.

    What was stored before anybody could be asked counts as allowed until its author says no.
    """
    unasked = (
        f"CASE WHEN c.owner = '{OWNER}' OR starts_with(c.owner, '{PROGRAMS}')"
        f" OR {created} < (SELECT created FROM migrations WHERE name = '{_STEP}') THEN 'yes' ELSE 'no' END"
    )
    return f"(c.id IS NULL OR coalesce(s.choice, 'yes') = 'no' OR coalesce(p.choice, {unasked}) = 'no')"


_CHOSEN = """LEFT JOIN (SELECT person, arg_max(choice, id) AS choice FROM consents
        WHERE conversation_id IS NULL GROUP BY person) p ON p.person = c.owner
    LEFT JOIN (SELECT conversation_id, arg_max(choice, id) AS choice FROM consents
        WHERE conversation_id IS NOT NULL GROUP BY conversation_id) s ON s.conversation_id = c.id"""

HELD_EXAMPLES = f"""SELECT x.id FROM examples x LEFT JOIN conversations c ON c.id = x.conversation_id {_CHOSEN}
    WHERE x.conversation_id IS NOT NULL AND {_held("x.created")}"""
"""Ids of the examples that nothing may learn from now. What was imported belongs to no conversation and is not held."""

_CHOICES_OF_ONE = "SELECT id, conversation_id, choice FROM consents WHERE person = $1 OR conversation_id = $2"

HELD_TURNS = f"""SELECT t.id FROM turns t LEFT JOIN conversations c ON c.id = t.conversation_id {_CHOSEN}
    WHERE {_held("t.created")}"""
"""Ids of the turns that nothing may learn from now."""

WITHDRAWN = f"{HELD_EXAMPLES} UNION ALL SELECT row_id FROM erasures WHERE table_name = 'examples'"
"""Ids of the examples whose frozen rows count as withdrawn: held now, or erased."""


def is_held(read: Callable[[str, Sequence[Any]], list[Row]], conversation_id: str | None, created: datetime) -> bool:
    """As HELD_EXAMPLES for one example of a conversation, without reading everybody's: a decision must be quick."""
    if conversation_id is None:
        return False
    found = read("SELECT owner FROM conversations WHERE id = ?", [conversation_id])
    if not found:
        return True
    owner = found[0]["owner"]
    rows = sorted(read(_CHOICES_OF_ONE, [owner, conversation_id]), key=lambda row: str(row["id"]))
    # The last one of each counts, as in HELD_EXAMPLES.
    latest = {row["conversation_id"]: row["choice"] for row in rows}
    if latest.get(conversation_id) == "no" or latest.get(None) == "no":
        return True
    if None in latest or unasked(owner):
        return False
    return not read(f"SELECT 1 FROM migrations WHERE name = '{_STEP}' AND ?::TIMESTAMPTZ < created", [created])


class ConsentStore:
    """Reads and appends choices."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def choose(
        self, person: str, choice: str, *, conversation_id: str | None = None, by: str, tx: Transaction | None = None
    ) -> Consent:
        """From now on this choice counts, for everything or for one conversation. Raises BadValue, Missing."""
        one_of("choice", choice, CHOICES)
        made = Consent(person, conversation_id, choice, datetime.now(UTC))
        row = {"id": new_id(), "person": person, "conversation_id": conversation_id, "choice": choice}

        def job(t: Transaction) -> Consent:
            if conversation_id is not None and not t.holds("conversations", conversation_id):
                raise Missing(f"There is no conversation `{conversation_id}`. Start a new one.")
            t.append("consents", stamped(row, by, made.created))
            return made

        return inside(self._db, tx, by, job)

    def of(self, person: str) -> Consent | None:
        """What a person chose last; None for one who has not chosen."""
        found = self._db.row(
            "SELECT * FROM consents WHERE person = ? AND conversation_id IS NULL ORDER BY id DESC LIMIT 1", [person]
        )
        return _consent(found) if found else None

    def of_programs(self) -> dict[str, str]:
        """Program → what was chosen for it last, for those of which something was said."""
        rows = self._db.rows(
            "SELECT person, arg_max(choice, id) AS choice FROM consents"
            " WHERE conversation_id IS NULL AND starts_with(person, ?) GROUP BY person",
            [PROGRAMS],
        )
        return {row["person"]: row["choice"] for row in rows}

    def of_conversation(self, conversation_id: str) -> Consent | None:
        """What was chosen last for one conversation; None where nothing was."""
        found = self._db.row(
            "SELECT * FROM consents WHERE conversation_id = ? ORDER BY id DESC LIMIT 1", [conversation_id]
        )
        return _consent(found) if found else None

    def history(self, person: str) -> list[Consent]:
        """All choices of a person, oldest first."""
        return [_consent(row) for row in self._db.rows("SELECT * FROM consents WHERE person = ? ORDER BY id", [person])]

    def held_turns(self) -> set[str]:
        """Ids of all turns that nothing may learn from now."""
        return {row["id"] for row in self._db.rows(HELD_TURNS)}


def unasked(person: str) -> bool:
    """Whether a person is one of those who need not be asked."""
    return person == OWNER or person.startswith(PROGRAMS)


def _consent(row: Row) -> Consent:
    return Consent(row["person"], row["conversation_id"], row["choice"], row["created"])
