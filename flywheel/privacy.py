"""What people decide of their own words: whether they are learnt from, taking them along, having them deleted.

Says what counts when nobody was asked, and what a deletion takes. Which stored text may be learnt from is decided in
`storage/consents.py`, for every path at once. Knows no page and no file of a model.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.consents import CHOICES, ConsentStore, unasked
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetStore
from storage.home import Home
from storage.personal import PersonalStore
from storage.versions import VersionStore

KINDS = ("", "key:", "hf:", "guest:")
"""What an id of a person may lack: `k1` and `ann` are found as `key:k1` and `hf:ann`."""


@dataclass(frozen=True)
class Learning:
    """What is learnt of a person."""

    choice: str | None
    """`yes` or `no`; None while they have not chosen."""
    allowed: bool
    """Whether what they write may be learnt from, by their choice or because they need not be asked."""
    conversation: bool
    """False where they left the conversation in question out."""

    @property
    def to_ask(self) -> bool:
        """Whether the question is still open."""
        return self.choice is None and not self.allowed


@dataclass(frozen=True)
class Forgetting:
    """What a deletion takes, or took."""

    user: str
    dry_run: bool
    counts: dict[str, int]
    """Table → rows."""
    ids: dict[str, list[str]]
    datasets: dict[str, int]
    """Dataset version → rows of theirs in it: these stay as they were frozen, marked as withdrawn."""
    versions: list[str]
    """Model versions trained on those."""
    copies: list[str]
    """Files beside the database that hold an earlier state of it whole. Whoever wants them gone removes them."""


@dataclass(frozen=True)
class WithdrawnFrom:
    """A version that was trained on rows which were withdrawn since."""

    version: str
    dataset: str
    rows: int


class Privacy:
    """Consent, one's own data, and being forgotten."""

    def __init__(self, database: Database, home: Home) -> None:
        self._home = home
        self._consents, self._personal = ConsentStore(database), PersonalStore(database)
        self._conversations = ConversationStore(database)
        self._datasets, self._versions = DatasetStore(database), VersionStore(database)

    def learning(self, who: Principal, place: str | None = None) -> Learning:
        """What holds for the caller now, and for a conversation of theirs, named by its id or a turn's of it.

        Raises NotFound.
        """
        require(who, Role.GUEST)
        left_out = None
        if place is not None:
            left_out = self._consents.of_conversation(self._own(who, place))
        chosen = self._consents.of(who.id)
        allowed = unasked(who.id) if chosen is None else chosen.choice == "yes"
        return Learning(chosen.choice if chosen else None, allowed, left_out is None or left_out.choice == "yes")

    def choose(self, who: Principal, choice: str) -> Learning:
        """Allow learning (`yes`) or not (`no`): for all the caller wrote and will write, until the next choice."""
        require(who, Role.GUEST)
        if choice not in CHOICES:
            raise InvalidInput(say("error.privacy.no_choice", choice=choice))
        self._consents.choose(who.id, choice, by=who.id)
        return self.learning(who)

    def leave_out(self, who: Principal, place: str, out: bool) -> Learning:
        """Do not learn from a conversation of the caller's (its id or a turn's of it), or do so again.

        Raises NotFound.
        """
        require(who, Role.GUEST)
        conversation_id = self._own(who, place)
        self._consents.choose(who.id, "no" if out else "yes", conversation_id=conversation_id, by=who.id)
        return self.learning(who, conversation_id)

    def own_data(self, who: Principal) -> dict[str, Any]:
        """Everything stored of the caller, by table; times are datetimes."""
        require(who, Role.GUEST)
        learning = self.learning(who)
        return {
            "person": who.id,
            "at": datetime.now(UTC),
            "may_be_learnt_from": learning.allowed,
            **self._personal.rows(who.id),
            "in_dataset_versions": {frozen.dataset: frozen.example_ids for frozen in self._personal.frozen(who.id)},
        }

    def delete_own(self, who: Principal) -> dict[str, int]:
        """Erase everything stored of the caller: table → rows that went. Frozen rows count as withdrawn from now on."""
        require(who, Role.GUEST)
        return self._personal.erase(who.id, by=who.id)

    def forget(self, who: Principal, user: str, *, dry_run: bool = False) -> Forgetting:
        """Erase everything stored of somebody, or only tell what that would be. Raises NotFound."""
        require(who, Role.OWNER)
        person, ids = self._found(user)
        frozen = {rows.dataset: len(rows.example_ids) for rows in self._personal.frozen(person)}
        versions = [version.id for version in self._versions.list() if version.dataset in frozen]
        counts = {table: len(found) for table, found in ids.items()}
        if not dry_run:
            counts = self._personal.erase(person, by=who.id)
        return Forgetting(person, dry_run, counts, ids, frozen, versions, self._copies())

    def withdrawn(self, who: Principal) -> list[WithdrawnFrom]:
        """Versions trained on rows that were withdrawn since, newest first."""
        require(who, Role.OWNER)
        rows = self._datasets.withdrawn()
        return [
            WithdrawnFrom(version.id, version.dataset, rows[version.dataset])
            for version in self._versions.list()
            if version.dataset in rows
        ]

    def _own(self, who: Principal, place: str) -> str:
        turn = self._conversations.turn(place)
        found = self._conversations.conversation(turn.conversation_id if turn else place)
        if found is None or found.owner != who.id or found.deleted:
            raise NotFound(say("error.conversation.unknown"))
        return found.id

    def _found(self, user: str) -> tuple[str, dict[str, list[str]]]:
        for kind in KINDS:
            ids = self._personal.ids(kind + user)
            if user and any(ids.values()):
                return kind + user, ids
        raise NotFound(say("error.privacy.nobody", user=user[:80]))

    def _copies(self) -> list[str]:
        """Made before a new step, or when something was damaged."""
        live = self._home.database.name
        files = self._home.path.glob(f"{live}.*")
        return sorted(str(path) for path in files if path.name != f"{live}.wal")
