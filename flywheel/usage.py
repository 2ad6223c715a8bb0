"""How much each person and each program has asked, for the owner. Counted from the stored answers when it is asked.

Nothing is kept beside the turns, so what is forgotten of somebody is gone from here too. Knows no pages.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flywheel.keys import Keys
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.database import Database
from storage.figures import used

MOST = 200


@dataclass(frozen=True)
class Use:
    """What one person or program had."""

    person: str
    """As it is stored: `guest:<id>`, `hf:<name>`, `key:<id>`, `local:owner`, …"""
    name: str
    """What the owner called a key; empty for all others."""
    today: int
    """Answers of the last 24 hours."""
    answers: int
    prompt_tokens: int
    completion_tokens: int
    """Tokens read and written for them; of a model elsewhere they may be estimates."""
    last: datetime
    """When the newest answer came."""


class Usage:
    """The counts of one home."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database, self._keys = database, keys

    def counts(self, who: Principal, most: int = MOST) -> list[Use]:
        """Everybody's, who asked most in the last 24 hours first; at most `most`. Only the owner reads them."""
        require(who, Role.OWNER)
        names = {f"key:{key.id}": key.name for key in self._keys.listing(who)} | {"key:owner": say("owner.home_key")}
        rows = used(self._database, datetime.now(UTC) - timedelta(days=1), most)
        return [Use(name=names.get(row["person"], ""), **row) for row in rows]
