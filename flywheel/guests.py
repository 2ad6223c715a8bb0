"""Who is a guest: somebody whom nobody let in by name. Told of the ids that are stored with what people send.

Knows nothing of requests: a role is what it is now, not what it was when something was sent.
"""

from flywheel.keys import Keys
from flywheel.roles import Role
from flywheel.settings import Settings

_KNOWN = ("local:", "system")


class Guests:
    """Tells guests from reviewers and owners."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._named = {name.lower() for name in (*settings.hub_owners, *settings.reviewers)}
        self._keys = keys

    def is_guest(self, person: str) -> bool:
        """Whether a person, by their id, is neither reviewer nor owner; a program is what its key says."""
        kind, _, name = person.partition(":")
        if kind == "hf":
            return name.lower() not in self._named
        if kind == "key":
            return self._keys.role(person) is Role.GUEST
        return not person.startswith(_KNOWN)
