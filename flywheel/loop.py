"""How far the wheel has turned here, in counts that everybody may read: no names, no texts, nothing of one person.

Counted from the store each time. Knows no page.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flywheel.roles import Principal, Role, require
from storage.database import Database
from storage.datasets import DatasetStore
from storage.examples import ExampleStore
from storage.feedback import FeedbackStore
from storage.figures import figures
from storage.versions import VersionStore


@dataclass(frozen=True)
class LoopFacts:
    """Counts along the wheel; `dataset` is the newest, None before the first."""

    answers: int
    corrections: int
    waiting: int
    approved: int
    dataset: str | None
    versions: int
    served: str


class Loop:
    """Reads the counts. `served` names the version that answers now."""

    def __init__(self, database: Database, served: Callable[[], str]) -> None:
        self._database, self._served = database, served
        self._examples, self._feedback = ExampleStore(database), FeedbackStore(database)
        self._datasets, self._versions = DatasetStore(database), VersionStore(database)

    def facts(self, who: Principal) -> LoopFacts:
        """Where it stands. Guests may know: these are counts."""
        require(who, Role.GUEST)
        counts, latest = self._examples.counts(), self._datasets.latest()
        return LoopFacts(
            answers=sum(figures(self._database, ()).turns.values()),
            corrections=self._feedback.counts().get("corrections", 0),
            waiting=counts.get("pending", 0),
            approved=counts.get("approved", 0),
            dataset=latest.id if latest else None,
            versions=len(self._versions.list()),
            served=self._served(),
        )
