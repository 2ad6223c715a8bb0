"""Invitations of reviewers by link, and what became of them, as events.

Holds the sha256 of each link's token and never the token. A name is what a reviewer's decisions are kept under: it may
be invited again, and a revocation concerns the name. Knows nothing of roles, cookies or pages.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from storage.database import Database
from storage.errors import Missing, Stale
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Row, Transaction

EVENTS = ("accepted", "revoked")


@dataclass(frozen=True)
class Invitation:
    """One link, good once."""

    id: str
    name: str
    digest: str
    """Hex sha256 of the token."""
    created: datetime
    by: str
    expires: datetime
    accepted: datetime | None
    revoked: datetime | None
    """When the name was revoked last, if that was after this invitation."""


class InvitationStore:
    """Reads and appends invitations and their events."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def invite(self, *, name: str, digest: str, expires: datetime, by: str, tx: Transaction | None = None) -> None:
        """Keep a new link for a name."""
        row = {"id": new_id(), "name": name, "digest": digest, "expires": expires}
        inside(self._db, tx, by, lambda t: t.append("invitations", stamped(row, by, datetime.now(UTC))))

    def accept(self, invitation: Invitation, *, by: str, tx: Transaction | None = None) -> None:
        """Keep that a link was used. Raises Missing for an unknown one, Stale for one that was used before."""

        def job(t: Transaction) -> None:
            if not t.holds("invitations", invitation.id):
                raise Missing("There is no such invitation. Ask for a new link.")
            used = t.rows("SELECT id FROM invitation_events WHERE invitation_id = ?", [invitation.id])
            if used:
                raise Stale("This link was used before. Ask for a new one.")
            t.append("invitation_events", _event(invitation.name, "accepted", by, invitation.id))

        inside(self._db, tx, by, job)

    def revoke(self, name: str, *, by: str, tx: Transaction | None = None) -> None:
        """From now on no link and no session of this name counts that was made before."""
        inside(self._db, tx, by, lambda t: t.append("invitation_events", _event(name, "revoked", by, None)))

    def all(self) -> list[Invitation]:
        """Every invitation, newest first."""
        rows = self._db.rows(
            """SELECT i.*, a.created AS accepted, r.created AS revoked FROM invitations i
            LEFT JOIN invitation_events a ON a.invitation_id = i.id AND a.kind = 'accepted'
            LEFT JOIN (SELECT name, max(created) AS created FROM invitation_events
                WHERE kind = 'revoked' GROUP BY name) r ON r.name = i.name AND r.created >= i.created
            ORDER BY i.id DESC"""
        )
        return [_invitation(row) for row in rows]

    def revoked(self) -> dict[str, datetime]:
        """Name → when it was revoked last."""
        rows = self._db.rows(
            "SELECT name, max(created) AS at FROM invitation_events WHERE kind = 'revoked' GROUP BY name"
        )
        return {row["name"]: row["at"] for row in rows}


def _event(name: str, kind: str, by: str, invitation_id: str | None) -> Row:
    one_of("kind", kind, EVENTS)
    row = {"id": new_id(), "name": name, "kind": kind, "invitation_id": invitation_id}
    return stamped(row, by, datetime.now(UTC))


def _invitation(row: Row) -> Invitation:
    return Invitation(
        row["id"], row["name"], row["digest"], row["created"], row["created_by"], row["expires"], row["accepted"],
        row["revoked"],
    )  # fmt: skip
