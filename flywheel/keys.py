"""Keys for programs: issued once, known by their hash, revoked at once.

A key is 256 random bits, so a plain sha256 is enough: nobody can try out 2^256 of them, and a slow hash (made for
passwords that people choose) would only give a stranger a way to keep the machine busy. Looking a key up by its hash
tells nothing by its timing either. All keys are held in memory: one process owns a home, so what it has revoked is
revoked. Knows nothing of HTTP.
"""

import hashlib
import hmac
import re
import secrets
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.keys import Key, KeyStore

PREFIX = "fw-"
SECRET_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,39}")
ROLES = {"guest": Role.GUEST, "reviewer": Role.REVIEWER, "owner": Role.OWNER}
OWN_KEY = Principal("key:owner", Role.OWNER)
"""Who sends the home's own `owner.key`: not the owner at the page, whose conversations are those of a person."""


@dataclass(frozen=True)
class Issued:
    """A new key, the only time it is seen."""

    id: str
    key: str
    role: str

    def __repr__(self) -> str:
        return f"Issued(id={self.id!r}, role={self.role!r})"


class Keys:
    """All keys of a home. Thread-safe."""

    def __init__(self, store: KeyStore, owner_token: str) -> None:
        """`owner_token` is the home's own key, good for everything and never listed."""
        self._store = store
        self._owner_token = owner_token.encode()
        self._lock = threading.Lock()
        self._by_digest = {key.digest: key for key in store.all()}

    def create(self, who: Principal, role: str, name: str = "", *, learning: bool = True) -> Issued:
        """A new key for a program, and whether what comes through it may be learnt from. Only the owner issues one.

        Raises InvalidInput.
        """
        require(who, Role.OWNER)
        if role not in ROLES:
            raise InvalidInput(say("error.access.no_key_role", role=role, known=", ".join(ROLES)))
        if name and not NAME.fullmatch(name):
            raise InvalidInput(say("error.access.key_name", name=name[:60]))
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        with self._lock:
            made = self._store.create(role=role, name=name, digest=_digest(secret), learning=learning, by=who.id)
            self._by_digest[made.digest] = made
        return Issued(made.id, secret, role)

    def listing(self, who: Principal) -> list[Key]:
        """Every key, oldest first, without the keys themselves."""
        require(who, Role.OWNER)
        return sorted(self._by_digest.copy().values(), key=lambda key: key.created)

    def revoke(self, who: Principal, key_id: str) -> Key:
        """From now on this key opens nothing; revoking twice changes nothing. Raises NotFound."""
        require(who, Role.OWNER)
        with self._lock:
            known = self._known(key_id)
            if known.revoked is None:
                self._store.note(key_id, "revoked", by=who.id)
                known = replace(known, revoked=datetime.now(UTC))
                self._by_digest[known.digest] = known
        return known

    def learn(self, who: Principal, key_id: str, allowed: bool) -> Key:
        """Whether what came and comes through a key may be learnt from; frozen rows stay, marked as withdrawn.

        Raises NotFound.
        """
        require(who, Role.OWNER)
        with self._lock:
            known = self._known(key_id)
            self._store.learn(key_id, allowed, by=who.id)
            self._by_digest[known.digest] = replace(known, learning=allowed)
        return self._by_digest[known.digest]

    def holder(self, key: str) -> Principal | None:
        """Whom a key belongs to: `key:<id>` with its role; None for a wrong or revoked one. Reads memory alone."""
        if hmac.compare_digest(key.encode(errors="replace"), self._owner_token):
            return OWN_KEY
        known = self._by_digest.get(_digest(key))
        if known is None or known.revoked is not None:
            return None
        return Principal(f"key:{known.id}", ROLES[known.role])

    def role(self, person: str) -> Role:
        """The role of `key:<id>`, revoked or not; that of a guest for anybody else."""
        if person == OWN_KEY.id:
            return OWN_KEY.role
        known = next((key for key in self._by_digest.copy().values() if f"key:{key.id}" == person), None)
        return ROLES[known.role] if known else Role.GUEST

    def _known(self, key_id: str) -> Key:
        known = next((key for key in self._by_digest.values() if key.id == key_id), None)
        if known is None:
            raise NotFound(say("error.access.no_key", id=key_id))
        return known

    def used(self, key: str) -> None:
        """Keep that a key is in use today. Writes once a day at most."""
        now = datetime.now(UTC)
        with self._lock:
            known = self._by_digest.get(_digest(key))
            if known is None or (known.last_used is not None and known.last_used.date() >= now.date()):
                return
            self._by_digest[known.digest] = replace(known, last_used=now)
        self._store.note(known.id, "used", by=f"key:{known.id}")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
