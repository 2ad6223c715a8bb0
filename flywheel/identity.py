"""Who sends a request: signed cookies, sign-in links and Hugging Face's session, turned into a Principal.

Owns the format of cookies and links. Keeps nothing: both are signed, not stored, so they survive a restart, and they
end when `secret.key` (everybody's) or `owner.key` (the owners') is removed, or the reviewer's name is revoked. Knows
nothing of routes or pages.
"""

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

from flywheel.errors import Forbidden, InvalidInput
from flywheel.roles import ANONYMOUS, Principal, Role
from flywheel.settings import Settings
from flywheel.words.catalogue import say

COOKIE = "flywheel"
DAY = 86_400
COOKIE_DAYS = {Role.GUEST: 365, Role.REVIEWER: 90, Role.OWNER: 90}
LINK_DAYS = 7
"""How long a reviewer's link can be opened; the cookie that it sets lasts longer."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
OWNER_ID, REVIEWER_ID = "local:owner", "local:reviewer:"


class Identity:
    """Makes and reads everything that says who somebody is."""

    def __init__(
        self, secret: bytes, owner_token: str, settings: Settings, ended: Callable[[str], float] = lambda person: 0.0
    ) -> None:
        """`ended`: of what a reviewer holds, nothing counts that was made before this time (seconds since 1970)."""
        self._secret, self._ended = secret, ended
        self._owner_token = owner_token.encode()
        self._trusts_oauth = settings.trusts_oauth
        self._owners = {name.lower() for name in settings.hub_owners}
        self._reviewers = {name.lower() for name in settings.reviewers}
        # Inside huggingface.co's frame the page is a third party: only such a cookie comes back, and in browsers that
        # keep third parties' cookies apart only one that says it may be.
        self._attributes = "SameSite=None; Secure; Partitioned" if settings.is_space else "SameSite=Lax"

    def new_guest(self) -> Principal:
        """A visitor nobody has seen before."""
        return Principal(f"guest:{secrets.token_hex(16)}", Role.GUEST)

    def of(self, cookies: Mapping[str, str], session: Mapping[str, Any] | None = None) -> Principal:
        """The sender of a request, ANONYMOUS without a genuine cookie. The higher role of cookie and login counts."""
        own = self.of_cookie(cookies.get(COOKIE, ""))
        signed_in = self._of_hub(session or {})
        return signed_in if signed_in is not None and signed_in.role >= own.role else own

    def of_cookie(self, value: str) -> Principal:
        """The holder of a cookie; ANONYMOUS when it is forged, cut or too old."""
        who = self._open("cookie", value)
        return ANONYMOUS if who is None else who

    def cookie(self, who: Principal) -> str:
        """The value of a Set-Cookie header that makes a browser be `who`."""
        days = COOKIE_DAYS[who.role]
        value = self._seal("cookie", who, days)
        return f"{COOKIE}={value}; Max-Age={days * DAY}; Path=/; HttpOnly; {self._attributes}"

    def first_cookie(self, cookies: Mapping[str, str]) -> str | None:
        """The Set-Cookie header for a browser without a genuine cookie; None for one that has it."""
        known = self.of_cookie(cookies.get(COOKIE, "")) is not ANONYMOUS
        return None if known else self.cookie(self.new_guest())

    def login_token(self, role: Role, name: str = "") -> str:
        """What follows `/enter?token=`: the owner's own, or a reviewer's, good for LINK_DAYS."""
        if role is Role.OWNER:
            return self._owner_token.decode()
        if role is not Role.REVIEWER:
            raise InvalidInput(say("error.access.no_role", role=role.name.lower()))
        if not NAME.fullmatch(name):
            raise InvalidInput(say("error.access.reviewer_name", name=name[:60]))
        return self._seal("login", Principal(f"{REVIEWER_ID}{name}", role), LINK_DAYS)

    def enter(self, token: str) -> Principal:
        """Whom a link makes of its opener. Raises Forbidden for a wrong or outdated one."""
        if self.is_owner_token(token):
            return Principal(OWNER_ID, Role.OWNER)
        who = self._open("login", token)
        if who is None:
            raise Forbidden(say("error.access.bad_link"))
        return who

    def is_owner_token(self, token: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(token.encode(errors="replace"), self._owner_token)

    def _of_hub(self, session: Mapping[str, Any]) -> Principal | None:
        """Trusted on a Space only: elsewhere the session's key is known to everybody."""
        info = session.get("oauth_info") if self._trusts_oauth else None
        if not isinstance(info, dict) or info.get("expires_at", 0) <= time.time():
            return None
        name = str((info.get("userinfo") or {}).get("preferred_username") or "")
        if not name:
            return None
        role = Role.REVIEWER if name.lower() in self._reviewers else Role.GUEST
        role = Role.OWNER if name.lower() in self._owners else role
        return Principal(f"hf:{name}", role)

    def _seal(self, purpose: str, who: Principal, days: int) -> str:
        plain = f"{int(who.role)} {time.time() + days * DAY:.3f} {who.id}"
        payload = urlsafe_b64encode(plain.encode()).decode().rstrip("=")
        return f"{payload}.{self._mac(purpose, who.role, payload)}"

    def _open(self, purpose: str, sealed: str) -> Principal | None:
        payload, _, mac = sealed.partition(".")
        try:
            role_number, expires, who_id = urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode().split(" ", 2)
            who, ends = Principal(who_id, Role(int(role_number))), float(expires)
        except ValueError:
            return None
        if not hmac.compare_digest(mac.encode(errors="replace"), self._mac(purpose, who.role, payload).encode()):
            return None
        days = LINK_DAYS if purpose == "login" else COOKIE_DAYS[who.role]
        taken_back = who.role is Role.REVIEWER and ends - days * DAY <= self._ended(who.id)
        return who if ends > time.time() and not taken_back else None

    def _mac(self, purpose: str, role: Role, payload: str) -> str:
        key = self._secret + (self._owner_token if role is Role.OWNER else b"")
        return hmac.new(key, f"{purpose}\0{payload}".encode(), hashlib.sha256).hexdigest()
