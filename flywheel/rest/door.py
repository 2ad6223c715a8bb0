"""Who sends a request to /v1: the holder of the key in its Authorization header, and nobody else.

A cookie opens nothing here: a page of another site can make a browser send one, but never a header with a key in it.
Knows no routes.
"""

from dataclasses import dataclass

from starlette.requests import Request

from flywheel.keys import Keys
from flywheel.problem import Problem
from flywheel.roles import Principal

SCHEME = "bearer"
# No pause and no count of wrong keys: 2^256 of them are not guessed at any speed, and a pause would hold connections.
NO_KEY = "This needs a key: `Authorization: Bearer fw-…`. The owner makes one with `python -m flywheel keys create`."
WRONG_KEY = "This key is wrong or revoked. The owner makes a new one with `python -m flywheel keys create`."


@dataclass(frozen=True)
class Caller:
    """A program, and the key it came with."""

    who: Principal
    key: str

    def __repr__(self) -> str:
        return f"Caller({self.who!r})"


def caller_of(request: Request, keys: Keys) -> Caller:
    """The caller. Raises Problem (401) without a good key. Reads memory alone."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != SCHEME or not key:
        raise Problem(401, NO_KEY)
    who = keys.holder(key)
    if who is None:
        raise Problem(401, WRONG_KEY)
    return Caller(who, key)
