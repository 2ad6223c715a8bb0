"""Keys of programs: what was issued, and whether it is revoked and when it was last used, as events.

Holds the sha256 of each key and never the key. Knows nothing of roles' meaning or of requests.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from storage.consents import PROGRAMS, ConsentStore
from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.records import inside, next_number, one_of, stamped
from storage.transaction import Row, Transaction

ROLES = ("guest", "reviewer", "owner")
EVENTS = ("used", "revoked")


@dataclass(frozen=True)
class Key:
    id: str
    """`k1`, `k2`, …"""
    name: str
    role: str
    digest: str
    """Hex sha256 of the key."""
    created: datetime
    by: str
    last_used: datetime | None
    """To the day: one event is kept for each day it is used."""
    revoked: datetime | None
    learning: bool = True
    """Whether what comes through it may be learnt from, as its owner said last."""


class KeyStore:
    """Reads and appends keys and their events."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self, *, role: str, name: str, digest: str, learning: bool = True, by: str, tx: Transaction | None = None
    ) -> Key:
        """The next key of this home, and whether what comes through it may be learnt from. Raises BadValue."""
        one_of("role", role, ROLES)
        at = datetime.now(UTC)

        def job(t: Transaction) -> Key:
            number = next_number(t, "keys", None, "key")
            made = Key(f"k{number}", name, role, digest, at, by, None, None, learning)
            row = {"id": made.id, "number": number, "name": name, "role": role, "digest": digest}
            t.append("keys", stamped(row, by, at))
            if not learning:
                ConsentStore(self._db).choose(f"{PROGRAMS}{made.id}", "no", by=by, tx=t)
            return made

        return inside(self._db, tx, by, job)

    def learn(self, key_id: str, allowed: bool, *, by: str, tx: Transaction | None = None) -> None:
        """Whether what came and comes through a key may be learnt from, from now on."""
        ConsentStore(self._db).choose(f"{PROGRAMS}{key_id}", "yes" if allowed else "no", by=by, tx=tx)

    def note(self, key_id: str, kind: str, *, by: str, tx: Transaction | None = None) -> None:
        """That a key was used, or is revoked. Raises Missing, BadValue."""
        one_of("kind", kind, EVENTS)
        row = {"id": new_id(), "key_id": key_id, "kind": kind}

        def job(t: Transaction) -> None:
            if not t.holds("keys", key_id):
                raise Missing(f"There is no key `{key_id}`. `python -m flywheel keys list` names them.")
            t.append("key_events", stamped(row, by, datetime.now(UTC)))

        inside(self._db, tx, by, job)

    def all(self) -> list[Key]:
        """Every key ever issued, oldest first."""
        rows = self._db.rows(
            """SELECT k.*, max(e.created) FILTER (e.kind = 'used') AS last_used,
                min(e.created) FILTER (e.kind = 'revoked') AS revoked
            FROM keys k LEFT JOIN key_events e ON e.key_id = k.id GROUP BY ALL ORDER BY k.number"""
        )
        chosen = ConsentStore(self._db).of_programs()
        return [_key(row, chosen.get(f"{PROGRAMS}{row['id']}", "yes") == "yes") for row in rows]


def _key(row: Row, learning: bool) -> Key:
    return Key(
        row["id"], row["name"], row["role"], row["digest"], row["created"], row["created_by"],
        row["last_used"], row["revoked"], learning,
    )  # fmt: skip
