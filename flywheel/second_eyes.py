"""Second eyes: which items two reviewers judge apart, and what follows from what they said.

Only where a second reviewer is there: a lone owner is never held up. Owns the rule and the votes. Knows nothing of
pages; which examples are suspicious is told by whoever finds them.
"""

import hashlib
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from flywheel.errors import Conflict
from flywheel.queue import Queue
from flywheel.queue_entries import Entry
from flywheel.roles import Principal, Role
from flywheel.words.catalogue import say
from storage.database import Database, Transaction
from storage.examples import Example, ExampleStore

ACTIVE_DAYS = 30
"""Somebody who has decided or looked at nothing for so long is no second reviewer."""
JUDGED = ("approved", "rejected")
Standing = Literal["one", "second", "disputed"]


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers say the same."""

    pairs: int
    """Items that two have judged."""
    agreed: int
    kappa: float | None
    """Cohen's kappa: agreement beyond chance, at most 1; None where chance alone explains all or nothing is there."""


@dataclass(frozen=True)
class Said:
    """One reviewer's vote."""

    by: str
    decision: str
    completion: str


class SecondEyes:
    """Decides whether a decision stands by itself."""

    def __init__(
        self,
        database: Database,
        examples: ExampleStore,
        queue: Queue,
        share: float,
        flagged: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`share` (0 to 1) of all items go to two, 0: none at all; `flagged` tells ids that always do."""
        self._database = database
        self._examples = examples
        self._queue = queue
        self._share = share
        self._flagged = flagged
        self._votes = examples.votes
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] | None = None

    def saw(self, who: Principal) -> None:
        """This reviewer is here."""
        with self._lock:
            self._people()[who.id] = datetime.now(UTC)

    def others(self, who: Principal) -> set[str]:
        """Reviewers besides this one who were here lately; nobody where second eyes are switched off."""
        if self._share <= 0:
            return set()
        since = datetime.now(UTC) - timedelta(days=ACTIVE_DAYS)
        with self._lock:
            return {person for person, at in self._people().items() if at >= since and person != who.id}

    def _people(self) -> dict[str, datetime]:
        """Who was here, and when last; of the time before this process those whose decisions stand."""
        if self._seen is None:
            self._seen = self._queue.deciders()
        return self._seen

    def wanted(self, example_id: str) -> bool:
        """Whether an item goes to two, where there are two. The same items each time."""
        if self._share <= 0:
            return False
        drawn = int.from_bytes(hashlib.sha256(example_id.encode()).digest()[:4])
        return drawn < self._share * 2**32 or example_id in self._flagged()

    def hidden_from(self, who: Principal) -> Callable[[Entry], bool]:
        """Which waiting entries this person is not asked: what they judged already, what they wrote themselves."""
        others = self.others(who)

        def hidden(entry: Entry) -> bool:
            record = entry.record
            if record.state != "pending":
                return False
            if who.id in record.deciders and record.decided_by not in (None, who.id):
                return True
            if not others:
                return False
            said = [vote.by for vote in record.votes]
            return _is_own(record.provenance, record.turn_id, record.created_by, who) or (
                who.id in said and not _may_settle(said, who, others)
            )

        return hidden

    def decide(
        self,
        who: Principal,
        example: Example,
        kind: str,
        *,
        completion: str | None,
        reason: str | None,
        seconds: float | None,
    ) -> Example:
        """Decide, or keep it as the first of two votes (the example then still waits). Raises Conflict, Stale."""
        others = self.others(who)
        if kind == "approved" and others and _is_own(example.provenance, example.turn_id, example.created_by, who):
            raise Conflict(say("error.review.own_correction"))

        def job(tx: Transaction) -> Example:
            text = example.completion if completion is None else completion
            if kind in JUDGED and example.state == "pending" and (others or self.wanted(example.id)):
                said = [Said(row["created_by"], row["decision"], row["completion"])
                        for row in self._votes.said(tx, example.id, example.event_id)]  # fmt: skip
                if _keep_vote(said, who, others, self.wanted(example.id)):
                    self._votes.add(tx, example.id, example.event_id, kind, text, reason, seconds)
                if not _stands(said, Said(who.id, kind, text), who, others, self.wanted(example.id)):
                    return example
            return self._examples.decide(
                example.id, kind, completion=completion, reason=reason, seconds=seconds,
                expected_event=example.event_id, by=who.id, tx=tx,
            )  # fmt: skip

        return self._database.write(job, by=who.id)

    def agreement(self) -> Agreement:
        """Over all items that two have judged."""
        return kappa(self._votes.pairs())


def _is_own(provenance: str, turn_id: str | None, author: str, who: Principal) -> bool:
    return author == who.id and turn_id is not None and provenance != "thumb"


def _may_settle(said: list[str], who: Principal, others: set[str]) -> bool:
    """Whether one who has voted may settle it: nobody else is left to, and (of a dispute) they own the place."""
    if others - set(said):
        return False
    return not others or (len(set(said)) > 1 and who.role >= Role.OWNER)


def _keep_vote(said: list[Said], who: Principal, others: set[str], wanted: bool) -> bool:
    """The first two votes are kept; who settles a dispute casts none."""
    return len(said) < 2 and who.id not in {vote.by for vote in said} and (bool(said) or (wanted and bool(others)))


def _stands(said: list[Said], mine: Said, who: Principal, others: set[str], wanted: bool) -> bool:
    """Whether a decision holds by itself. Raises Conflict where this person has said what they can say."""
    voters = [vote.by for vote in said]
    if who.id in voters and not _may_settle(voters, who, others):
        raise Conflict(say("error.review.judged_already"))
    if not said:
        return not (wanted and others)
    if len(said) == 1 and who.id not in voters:
        return said[0].decision == mine.decision and (
            mine.decision != "approved" or said[0].completion == mine.completion
        )
    return True


def standing(entry: Entry) -> Standing:
    """How far a waiting entry is: nobody has judged it, one has, or two disagree."""
    return "one" if not entry.record.votes else "second" if len(entry.record.votes) == 1 else "disputed"


def kappa(pairs: Collection[tuple[str, str]]) -> Agreement:
    """Cohen's kappa of pairs of decisions."""
    n = len(pairs)
    agreed = sum(one == two for one, two in pairs)
    if not n:
        return Agreement(0, 0, None)
    kinds = {kind for pair in pairs for kind in pair}
    chance = sum(sum(one == kind for one, _ in pairs) * sum(two == kind for _, two in pairs) for kind in kinds) / n**2
    return Agreement(n, agreed, None if chance >= 1 else (agreed / n - chance) / (1 - chance))
