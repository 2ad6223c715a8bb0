"""Dataset versions: freezing what is approved, and looking at what was frozen.

The files of a version are written whole before it is recorded: a version that exists has its files, and a freeze that
was killed leaves nothing that the next one does not replace. Rows hold what the model is sent, so that training sees
what serving sends. Which examples become rows, and on which side, is the matter of `gathering` and `splitting`.
"""

import hashlib
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flywheel.dataset_difference import Difference, difference
from flywheel.dataset_files import write_folder
from flywheel.dataset_report import Report, by_id, longer_than_a_run, report_of, samples
from flywheel.errors import Damaged, InvalidInput, NotFound, Unavailable
from flywheel.gathering import Gathered, gather
from flywheel.guarding import Guard
from flywheel.leakguard import Reserved
from flywheel.memory import free_bytes
from flywheel.roles import Principal, Role, require
from flywheel.rows import FrozenText, content_of
from flywheel.splitting import SIDES, policy_words
from flywheel.steps import Step, ended
from flywheel.tasks.build import Task
from flywheel.validity import Rules
from flywheel.words.catalogue import say
from storage.datasets import DatasetRow, DatasetStore, DatasetVersion
from storage.errors import Stale
from storage.examples import Example, ExampleStore
from storage.home import Home
from trainers.job import verify_manifest

TRIES = 3
MANY = 100_000
"""Approved rows from which on a freeze asks for memory before it begins."""
BYTES_A_ROW = 8_000
"""What a freeze takes of it, measured with short rows."""
LOOKED_AT, PLACED, REPORTED = 0.4, 0.7, 0.8
"""How far a freeze is after these parts, by what they cost at 100,000 rows."""


@dataclass(frozen=True)
class Frozen:
    """The outcome of a freeze."""

    version: DatasetVersion
    created: bool
    """False: the approved rows are those of this version already."""
    refused: list[dict[str, Any]]
    """{"example_id", "reason"} of each approved example that is not in it, and "limit" where one holds it back."""


@dataclass(frozen=True)
class Shown:
    """A version with some of its rows."""

    version: DatasetVersion
    rows: list[DatasetRow]


class Datasets:
    """Makes dataset versions and shows them."""

    def __init__(
        self,
        datasets: DatasetStore,
        examples: ExampleStore,
        task: Task,
        home: Home,
        rules: Callable[[], Rules],
        guard: Guard,
        learnt: Callable[[], list[dict[str, Any]]] = list,
        tags: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] = lambda ids: {},
        reserved: Callable[[], Reserved] = Reserved,
    ) -> None:
        """`rules` is asked at each freeze, for the base may still load; `learnt` tells what versions gained so far,
        `tags` those of examples, `reserved` what is kept for tests."""
        self._store = datasets
        self._examples = examples
        self._task = task
        self._home = home
        self._rules = rules
        self._learnt, self._tags = learnt, tags
        self._guard, self._reserved = guard, reserved
        # Files are written under the number that the version will get.
        self._freezing = threading.Lock()

    def freeze(self, who: Principal, name: str = "", note: str = "") -> Frozen:
        """`freezing`, to its end."""
        return ended(self.freezing(who, name, note))

    def freezing(self, who: Principal, name: str = "", note: str = "") -> Generator[Step, None, Frozen]:
        """Make a version of what is approved now, or find the one that has exactly these rows; yields words and how
        far it is.

        Raises InvalidInput when there is nothing to train on, Conflict when one question binds to two sides,
        Unavailable when there is too little memory for so many rows.
        """
        require(who, Role.OWNER)
        for _ in range(TRIES - 1):
            try:
                return (yield from self._freeze(who, name, note))
            except Stale:
                # Somebody withdrew a row while it was being frozen, or froze too; the next try begins with that.
                continue
        return (yield from self._freeze(who, name, note))

    def report(self, who: Principal, dataset: str | None = None) -> Report:
        """`reporting`, to its end."""
        return ended(self.reporting(who, dataset))

    def reporting(self, who: Principal, dataset: str | None = None) -> Generator[Step, None, Report]:
        """What is in a version, or (without a name) in what would be frozen now: JSON, with a few rows as trained;
        yields words and how far it is.

        A version is reported as it was when it was frozen, but for what its rows look like. Raises NotFound; for what
        would be frozen what `freeze` raises.
        """
        require(who, Role.REVIEWER)
        yield say("freeze.reading"), 0.0
        if dataset is None:
            approved, rules = self._approved(), self._rules()
            gathered = yield from self._gathered(approved, rules)
            yield say("freeze.reporting"), PLACED
            made = self._report(gathered, approved, rules)
            return {"dataset": None, **made, "samples": samples(gathered.rows, rules)}
        version, rows = self._get(who, dataset), self.rows(who, dataset)
        try:
            rules = self._rules()
        except Unavailable:
            # The base still loads: numbers that are stored need it not.
            rules = Rules()
        stored = self._store.report(version.id)
        if stored is None:
            yield say("freeze.reporting"), PLACED
            refused = {entry["example_id"]: entry["reason"] for entry in version.refused}
            stored = report_of(rows, refused, {}, rules, self._learnt())
        return {"dataset": version.id, **stored, "samples": samples([r for r in rows if not r.withdrawn], rules)}

    def _approved(self) -> list[Example]:
        count = self._examples.counts()["approved"]
        free, needed = free_bytes(), count * BYTES_A_ROW
        if count >= MANY and free is not None and needed > free:
            told = {"count": f"{count:,}", "needed": f"{needed / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
            raise Unavailable(say("error.freeze.no_memory", **told))
        return self._examples.approved()

    def _gathered(self, approved: list[Example], rules: Rules) -> Generator[Step, None, Gathered]:
        placements, find = self._store.placements(), self._examples.get
        work = gather(approved, placements, find, self._task, rules, self._guard.withheld, self._reserved())
        while True:
            try:
                done = next(work)
            except StopIteration as end:
                found: Gathered = end.value
                return found
            if done < len(approved):
                words = say("freeze.looking", done=f"{done:,}", count=f"{len(approved):,}")
                yield words, LOOKED_AT * done / len(approved)
            else:
                yield say("freeze.placing"), LOOKED_AT

    def _report(self, gathered: Gathered, approved: list[Example], rules: Rules) -> Report:
        tags = self._tags([row.example_id for row in gathered.rows])
        return report_of(gathered.rows, gathered.refused, by_id(approved), rules, self._learnt(), tags)

    def _freeze(self, who: Principal, name: str, note: str) -> Generator[Step, None, Frozen]:
        # What is frozen meanwhile takes this number, and then this begins anew: its rows may bind these.
        number = self._store.next_number()
        yield say("freeze.reading"), 0.0
        approved, rules = self._approved(), self._rules()
        gathered = yield from self._gathered(approved, rules)
        yield say("freeze.reporting"), PLACED
        report = self._report(gathered, approved, rules)
        yield say("freeze.writing"), REPORTED
        with self._freezing:
            return self._written(who, number, name, note, gathered, rules, report)

    def _written(
        self, who: Principal, number: int, name: str, note: str, gathered: Gathered, rules: Rules, report: Report
    ) -> Frozen:
        refused, content_hash = _refused(gathered), _content_hash(gathered.rows)
        if known := self._store.by_hash(content_hash):
            self._restore_files(known)
            return Frozen(known, False, refused)
        if self._store.next_number() != number:
            raise Stale(f"d{number} was frozen meanwhile.")
        system_hash = hashlib.sha256(self._task.system_prompt.encode()).hexdigest()
        facts = {"task": self._task.name, "content_hash": content_hash, "system_hash": system_hash}
        write_folder(self._home.dataset_dir(f"d{number}"), gathered.rows, facts)
        version = self._store.create(
            name=name.strip(),
            note=note.strip(),
            task=self._task.name,
            content_hash=content_hash,
            system_hash=system_hash,
            refused=refused,
            policy={
                "words": policy_words(gathered.split),
                "shares": gathered.split.shares,
                "resembling_held_out": gathered.split.resembling,
                **gathered.withheld.facts,
                **_noticed(gathered, rules),
            },
            rows=gathered.rows,
            report=report,
            number=number,
            by=who.id,
        )
        return Frozen(version, True, refused)

    def listing(self, who: Principal) -> list[DatasetVersion]:
        """All versions, newest first."""
        require(who, Role.REVIEWER)
        return self._store.list()

    def show(
        self, who: Principal, dataset: str, side: str | None = None, limit: int | None = 50, offset: int = 0
    ) -> Shown:
        """A version and a page of its rows (`limit` None: all). Raises NotFound."""
        return Shown(self._get(who, dataset), self.rows(who, dataset, side, limit, offset))

    def rows(
        self,
        who: Principal,
        dataset: str,
        side: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        tag: str | None = None,
    ) -> list[DatasetRow]:
        """Rows in their order, of one side or of all, with a tag or any. Raises NotFound, InvalidInput."""
        version = self._get(who, dataset)
        if side is not None and side not in SIDES:
            raise InvalidInput(say("error.dataset.no_side", side=side))
        return self._store.rows(version.id, side=side, limit=limit, offset=offset, tag=tag)

    def tag_counts(self, who: Principal, dataset: str, side: str | None = None) -> dict[str, int]:
        """Tag → rows that had it when the version was frozen, the most frequent first. Raises NotFound."""
        return self._store.tag_counts(self._get(who, dataset).id, side)

    def withdrawn(self, who: Principal) -> dict[str, int]:
        """Dataset version → how many of its rows were withdrawn by their authors since."""
        require(who, Role.REVIEWER)
        return self._store.withdrawn()

    def diff(self, who: Principal, old: str, new: str) -> Difference:
        """What the second version has and the first has not, and the other way round. Raises NotFound."""
        return difference(old, new, self.rows(who, old), self.rows(who, new))

    def verify(self, who: Principal, dataset: str) -> None:
        """Check the files and the rows of a version against what was frozen. Raises Damaged, NotFound."""
        version = self._get(who, dataset)
        problems = verify_manifest(self._home.dataset_dir(version.id))
        if _content_hash(self._store.rows(version.id)) != version.content_hash:
            problems.append(say("error.dataset.rows_differ"))
        if problems:
            raise Damaged(say("error.dataset.damaged", dataset=version.id, problems="; ".join(problems)))

    def _get(self, who: Principal, dataset: str) -> DatasetVersion:
        require(who, Role.REVIEWER)
        version = self._store.get(dataset)
        if version is None:
            raise NotFound(say("error.dataset.unknown", dataset=dataset[:60]))
        return version

    def _restore_files(self, version: DatasetVersion) -> None:
        """A home that was copied without its folders, or lost one, gets the files of a version again."""
        folder = self._home.dataset_dir(version.id)
        if verify_manifest(folder):
            facts = {name: getattr(version, name) for name in ("task", "content_hash", "system_hash")}
            write_folder(folder, self._store.rows(version.id), facts)


def _noticed(gathered: Gathered, rules: Rules) -> dict[str, Any]:
    """What a person should know of the rows, the limits' notices included; empty where there is nothing."""
    words = [*gathered.withheld.facts.get("reported", []), *longer_than_a_run(gathered.rows, rules)]
    return {"reported": words} if words else {}


def _refused(gathered: Gathered) -> list[dict[str, Any]]:
    held = gathered.withheld.rows
    return [
        {"example_id": id, "reason": reason, **({"limit": held[id].limit} if id in held else {})}
        for id, reason in gathered.refused.items()
    ]


def _content_hash(rows: Sequence[FrozenText]) -> str:
    """Hash of what the rows hold and on which side; their order and origin do not matter."""
    contents = sorted(f"{row.side}\n{content_of(row)}\n" for row in rows)
    return hashlib.sha256("".join(contents).encode()).hexdigest()
