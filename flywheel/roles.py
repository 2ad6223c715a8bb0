"""Who is asking, and what that role may do. Knows nothing of cookies, requests or pages."""

from dataclasses import dataclass, field
from enum import IntEnum

from flywheel.errors import Forbidden
from flywheel.words.catalogue import say


class Role(IntEnum):
    """Ordered: a higher role may do all that a lower one may."""

    ANONYMOUS = 0
    GUEST = 1
    REVIEWER = 2
    OWNER = 3


@dataclass(frozen=True)
class Principal:
    """The caller of a service: `id` is stored with what they do (`guest:<hex>`, `local:owner`, `hf:<name>`)."""

    id: str
    role: Role
    address: str = field(default="", compare=False, repr=False)
    """The network address a guest's request came from, where it tells people apart; never stored."""


ANONYMOUS = Principal("anonymous", Role.ANONYMOUS)
SYSTEM = Principal("system", Role.OWNER)


def require(who: Principal, role: Role) -> None:
    """Raise Forbidden unless `who` has at least `role`."""
    if who.role >= role:
        return
    if who.role is Role.ANONYMOUS:
        raise Forbidden(say("error.access.no_cookie"))
    raise Forbidden(say("error.access.role", role=role.name.lower(), yours=who.role.name.lower()))
