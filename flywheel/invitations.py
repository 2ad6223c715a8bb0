"""Inviting reviewers by a link that works once and ends, who was invited, and taking it back.

The link's token is 256 random bits, kept as its sha256. A revocation ends the name's open links and its sessions: the
cookie that a link sets says when it was made, and older ones no longer count. Knows no cookies, requests or pages.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.identity import LINK_DAYS, NAME, REVIEWER_ID
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.errors import Stale
from storage.invitations import Invitation, InvitationStore

PREFIX = "invite-"
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Invited:
    """A reviewer by link, as the owner sees them."""

    name: str
    state: str
    """`waiting` (the link is not opened yet), `accepted`, `expired`, `revoked`."""
    invited: datetime
    expires: datetime
    accepted: datetime | None


class Invitations:
    """All invitations of a home. Thread-safe; what a request has to know is in memory."""

    def __init__(self, store: InvitationStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._revoked = {name: at.timestamp() for name, at in store.revoked().items()}

    def invite(self, who: Principal, name: str) -> str:
        """A new link's token for a reviewer of this name. Only the owner makes one. Raises InvalidInput."""
        require(who, Role.OWNER)
        _check(name)
        token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        expires = datetime.now(UTC) + timedelta(days=LINK_DAYS)
        self._store.invite(name=name, digest=_digest(token), expires=expires, by=who.id)
        return token

    def listing(self, who: Principal) -> list[Invited]:
        """Who was invited, newest first; of several links for a name the newest that says something."""
        require(who, Role.OWNER)
        found: dict[str, Invited] = {}
        for made in self._store.all():
            told = Invited(made.name, _state(made), made.created, made.expires, made.accepted)
            known = found.get(made.name)
            if known is None or (told.state == "accepted" and known.state in ("waiting", "expired")):
                found[made.name] = told
        return list(found.values())

    def revoke(self, who: Principal, name: str) -> str:
        """End this name's links and sessions, at once. Raises InvalidInput, NotFound."""
        require(who, Role.OWNER)
        _check(name)
        if name not in {made.name for made in self._store.all()}:
            raise NotFound(say("error.access.not_invited", name=name))
        with self._lock:
            self._store.revoke(name, by=who.id)
            self._revoked[name] = datetime.now(UTC).timestamp()
        return name

    def ended(self, person: str) -> float:
        """Until when what a reviewer's cookie or link says counts no longer: seconds since 1970, 0 for never."""
        return self._revoked.get(person.removeprefix(REVIEWER_ID), 0.0)

    def invited(self, token: str) -> Invitation:
        """Whom an unused link is for; nothing changes. Raises Forbidden."""
        digest = _digest(token)
        made = next((made for made in self._store.all() if secrets.compare_digest(made.digest, digest)), None)
        if made is None or _state(made) != "waiting":
            raise Forbidden(say("invitation.wrong"))
        return made

    def accept(self, token: str) -> Principal:
        """Whom a link makes of its opener; it works once. Raises Forbidden."""
        made = self.invited(token)
        who = Principal(f"{REVIEWER_ID}{made.name}", Role.REVIEWER)
        try:
            self._store.accept(made, by=who.id)
        except Stale as error:
            raise Forbidden(say("invitation.wrong")) from error
        return who


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInput(say("error.access.reviewer_name", name=name[:60]))


def _state(made: Invitation) -> str:
    if made.revoked is not None:
        return "revoked"
    if made.accepted is not None:
        return "accepted"
    return "expired" if made.expires <= datetime.now(UTC) else "waiting"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
