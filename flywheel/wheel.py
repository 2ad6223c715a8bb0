"""Where the wheel stands: a count at each station, and the one step that comes next.

Decides nothing and changes nothing; read from the store each time, so that it is true after a restart.
"""

from dataclasses import dataclass

from flywheel.roles import SYSTEM, Principal, Role, require
from flywheel.training import Training
from flywheel.versions import Versions
from flywheel.words.catalogue import say, say_count
from storage.datasets import DatasetStore, DatasetVersion
from storage.examples import ExampleStore
from storage.runs import ACTIVE, Run, RunStore

WORTH_WHILE = 30
"""Corrections of one kind that move a model; measured on the starter. One alone seldom does."""


@dataclass(frozen=True)
class Step:
    """What to do next: a key for a page, words for a person, and where it is done."""

    key: str
    """review, freeze, train, wait, promote or chat; export in place of train where the model runs elsewhere"""
    words: str
    link: str


@dataclass(frozen=True)
class WheelStatus:
    waiting: int
    """Corrections and thumbs without a decision."""
    approved: int
    fresh: int
    """Approved examples that could be learnt from and are in no dataset version yet."""
    missing: int
    """How many more would make a run worth while; 0 when there are enough."""
    dataset: str | None
    run: int | None
    run_state: str | None
    run_progress: float | None
    """0 to 1, while a run is under way."""
    candidate: str | None
    """The newest version that has never served."""
    candidate_state: str | None
    """What the gate says of it: passed, refused or undecided."""
    served: str
    next_step: Step
    more: str
    """The missing corrections in words; empty when none is missing."""
    learns_here: bool = True
    """Runs and versions are made here; of a model at another server they are not."""


class Wheel:
    def __init__(
        self,
        examples: ExampleStore,
        datasets: DatasetStore,
        runs: RunStore,
        training: Training,
        versions: Versions,
        learns_here: bool = True,
    ) -> None:
        """`learns_here`: whether the base is one that can be trained and that versions of can serve."""
        self._learns_here = learns_here
        self._examples, self._datasets, self._runs = examples, datasets, runs
        self._training, self._versions = training, versions

    def status(self, who: Principal) -> WheelStatus:
        """Where every station stands. Needs a reviewer."""
        require(who, Role.REVIEWER)
        counts = self._examples.counts()
        latest = self._datasets.latest()
        fresh = self._examples.fresh()
        run = next(iter(self._runs.list(limit=1)), None)
        active = run if self._learns_here and run is not None and run.state in ACTIVE else None
        progress = self._training.view(SYSTEM, active.number).progress if active else None
        candidate, candidate_state = self._candidate()
        waiting = counts.get("pending", 0)
        trained = not self._learns_here or _was_trained(latest, self._runs.list())
        missing = 0 if latest and not trained else max(0, WORTH_WHILE - fresh)
        facts = _Facts(waiting, fresh, latest, trained, active, progress, candidate, candidate_state, self._learns_here)
        return WheelStatus(
            waiting=waiting,
            approved=counts.get("approved", 0),
            fresh=fresh,
            missing=missing,
            dataset=latest.id if latest else None,
            run=run.number if run else None,
            run_state=run.state if run else None,
            run_progress=progress,
            candidate=candidate,
            candidate_state=candidate_state,
            served=self._versions.served(),
            next_step=_next_step(facts),
            more=_more(missing),
            learns_here=self._learns_here,
        )

    def _candidate(self) -> tuple[str | None, str | None]:
        newest = self._versions.newest(SYSTEM) if self._learns_here else None
        if newest is None or newest.version.state != "candidate":
            return None, None
        return newest.version.id, newest.verdict.state


@dataclass(frozen=True)
class _Facts:
    waiting: int
    fresh: int
    latest: DatasetVersion | None
    trained: bool
    active: Run | None
    progress: float | None
    candidate: str | None
    candidate_state: str | None
    learns_here: bool


def _next_step(facts: _Facts) -> Step:
    """The first that holds: what runs, what is ready to serve, what is ready to train, then what people have to do."""
    if facts.active is not None:
        return Step(
            "wait", say("wheel.step.wait", run=facts.active.number, progress=f"{facts.progress or 0:.0%}"), "/train"
        )
    if facts.candidate is not None and facts.candidate_state == "passed":
        return Step("promote", say("wheel.step.promote", version=facts.candidate), "/versions")
    if facts.latest is not None and not facts.trained:
        return Step("train", say("wheel.step.train", dataset=facts.latest.id), "/train")
    if facts.fresh >= WORTH_WHILE or (facts.fresh and not facts.waiting):
        return Step("freeze", say_count("wheel.step.freeze", facts.fresh), "/data")
    if facts.waiting:
        return Step("review", say_count("wheel.step.review", facts.waiting), "/review")
    if not facts.learns_here and facts.latest is not None:
        return Step("export", say("wheel.step.export", dataset=facts.latest.id), "/data")
    return Step("chat", say("wheel.step.chat"), "/")


def _was_trained(latest: DatasetVersion | None, runs: list[Run]) -> bool:
    """Whether a run on this version came to an end of its own; an interrupted or cancelled one did not."""
    return latest is not None and any(run.dataset == latest.id and run.state in ("finished", "failed") for run in runs)


def _more(missing: int) -> str:
    return say_count("wheel.more", missing) if missing else ""
