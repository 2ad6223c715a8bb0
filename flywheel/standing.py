"""Where a version stands: its scores beside those of others on the same rows, its files, and the gate's word on both.

Reads the store and the version's files; changes nothing. A score carries the flags of those it was judged beside, so
two versions are never compared on different questions.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flywheel import gate
from flywheel.base_model import BaseModel
from flywheel.evaluation import Comparison, SuiteScore, compare
from flywheel.gate import Pinned, Verdict
from flywheel.gate_policy import POLICY, Policy
from flywheel.runfiles import CORRECTED, GENERAL, PINNED
from flywheel.serving.engine import BASE_VERSION
from flywheel.words.catalogue import say
from storage.home import Home
from storage.publications import Publication
from storage.runs import RunStore
from storage.versions import Promotion, Score, Version, VersionStore
from trainers.files import MANIFEST
from trainers.job import ADAPTER_FILES

Scores = Mapping[str, Sequence[Score]]
"""Newest scores by version."""


@dataclass(frozen=True)
class Measure:
    """One version on one suite, with its 95 % interval; shares are 0 to 1."""

    version: str
    n: int
    right: int
    value: float
    lo: float
    hi: float


@dataclass(frozen=True)
class SuiteView:
    """The three bars of a suite. `current` is what the verdict compares with."""

    suite: str
    candidate: Measure | None
    current: Measure | None
    base: Measure | None


@dataclass(frozen=True)
class VersionView:
    version: Version
    scores: list[SuiteView]
    against: str
    """The version that the candidate was compared with: what it replaced, or what serves now."""
    verdict: Verdict
    promotion: Promotion | None
    """The newest promotion of this version, if there was one."""
    publication: Publication | None = None
    """The newest publication of this version that is whole."""


class Standing:
    """Knows every version's standing; asked with the scores as read once (`scores`), so that a page reads them once."""

    def __init__(
        self, versions: VersionStore, runs: RunStore, home: Home, base: BaseModel, policy: Policy = POLICY
    ) -> None:
        self._versions, self._runs, self._home, self._base = versions, runs, home, base
        self.policy = policy

    @property
    def base(self) -> BaseModel:
        """The base that is configured."""
        return self._base

    def scores(self) -> Scores:
        """The newest score of each version on each suite."""
        found: dict[str, list[Score]] = {}
        for score in self._versions.all_scores():
            found.setdefault(score.version, []).append(score)
        return found

    def view(self, version: Version, against: str, promotion: Promotion | None, scores: Scores) -> VersionView:
        """All that a page shows of a version."""
        suites = [
            SuiteView(
                own.suite,
                _measure(flags_of(version.id, own, scores)),
                _measure(flags_of(against, own, scores)),
                _measure(flags_of(BASE_VERSION, own, scores)),
            )
            for own in scores.get(version.id, [])
        ]
        return VersionView(version, suites, against, self.verdict(version, against, scores), promotion)

    def verdict(self, version: Version, against: str, scores: Scores) -> Verdict:
        """The gate's word; undecided, with what to do, where scores are missing."""
        own = scores.get(version.id, [])
        run = self._runs.get(version.run) if version.run is not None else None
        if not own and (run is None or run.state != "finished"):
            return _unscored(say("standing.not_scored", version=version.id), f"evaluate {version.id}")
        pairs: dict[str, Comparison] = {}
        pinned: list[Pinned] = []
        for score in own:
            before, after = flags_of(against, score, scores), flags_of(version.id, score, scores)
            if before is None or after is None:
                missing = say("standing.not_answered", against=against, suite=score.suite, version=version.id)
                return _unscored(missing, f"evaluate {version.id} --against {against}")
            pairs[score.suite] = compare(before, after)
            if score.suite == PINNED:
                pinned = self._pinned(score, before, after)
        base = [] if against == BASE_VERSION else [flags_of(BASE_VERSION, score, scores) for score in own]
        report = gate.Report(
            corrected=pairs.get(CORRECTED),
            general=pairs.get(GENERAL),
            weights=self.problems(version),
            pinned=pinned,
            base=[flags for flags in base if flags is not None],
        )
        return gate.decide(report, self.policy)

    def _pinned(self, score: Score, before: SuiteScore, after: SuiteScore) -> list[Pinned]:
        # Named by their examples: a verdict is stored and published, and must not carry what somebody may take back.
        right = self.policy.pinned_right
        named = zip(score.details["pins"], before.grades, after.grades, strict=True)
        return [Pinned(name, was >= right, now >= right) for name, was, now in named]

    def problems(self, version: Version, *, fresh: bool = False) -> list[str]:
        """Why this version must not be served, in words. Files that look unchanged are read again only when `fresh`."""
        if problem := self.other_base(version):
            return [problem]
        if self._base.folder is None:
            return [say("standing.no_base", base=self._base.name)]
        folder = self._home.version_dir(version.id)
        files = [folder / name for name in (*ADAPTER_FILES, MANIFEST)]
        if missing := [path.name for path in files if not path.is_file()]:
            return [say("standing.missing", file=missing[0], folder=folder)]
        state = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in files)
        check = _adapter_problems.__wrapped__ if fresh else _adapter_problems
        return list(check(folder, self._base.folder, version.adapter_sha256, state))

    def other_base(self, version: Version) -> str | None:
        """Why this version's adapter does not belong on the configured base, or None."""
        if version.base == self._base.name and version.revision == self._base.fingerprint:
            return None
        if self._base.fingerprint is None:
            return say("standing.no_base_to_compare", base=self._base.name)
        return say(
            "standing.other_weights",
            old=version.base,
            revision=version.revision,
            base=self._base.name,
            commit=self._base.fingerprint,
        )

    def base_remedy(self, version: Version) -> str | None:
        """What to do about a version whose files are fine and whose base is not here; None when its base is."""
        if self.other_base(version) is None and self._base.folder is not None:
            return None
        if self._base.folder is None or self._base.fingerprint is None:
            return say("standing.start_once", base=self._base.name)
        if version.base == self._base.name:
            return say("standing.set_back", base=version.base)
        return say("standing.start_with", base=version.base)


@functools.lru_cache(maxsize=64)
def _adapter_problems(
    folder: Path, base: Path, sha256: str | None, state: tuple[tuple[int, int], ...]
) -> tuple[str, ...]:
    """What is wrong with an adapter's files; `state` makes a changed file another question for the cache."""
    from trainers.adapter import check_adapter

    problems = check_adapter(folder, base)
    if not problems and sha256 is not None:
        from storage.files import sha256_file

        if sha256_file(folder / ADAPTER_FILES[1]) != sha256:
            problems = [say("standing.other_adapter")]
    return tuple(problems)


def _unscored(missing: str, command: str) -> Verdict:
    words = say("standing.do_it", told=missing, command=command)
    return Verdict("undecided", [words], [words])


def flags_of(name: str, score: Score, scores: Scores) -> SuiteScore | None:
    """A version's flags on the rows of this score: judged beside it, or by itself on the same rows; None if never."""
    beside = score.details.get("beside", {})
    if name == score.version:
        flags = score.details["correct"]
    elif name in beside:
        flags = beside[name]
    else:
        rows = (score.suite, score.details.get("suite_sha256"), score.details.get("base"))
        found = [
            other.details["correct"]
            for other in scores.get(name, [])
            if (other.suite, other.details.get("suite_sha256"), other.details.get("base")) == rows
        ]
        if not found:
            return None
        flags = found[0]
    return SuiteScore(score.suite, name, tuple(float(flag) for flag in flags))


def _measure(score: SuiteScore | None) -> Measure | None:
    if score is None:
        return None
    lo, hi = score.interval
    return Measure(score.version, score.n, score.right, score.value, lo, hi)
