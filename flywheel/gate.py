"""The gate: may this candidate serve? A pure decision over paired scores, each reason in words with its numbers.

It reads no files and asks no model. Refused beats undecided: where something is known to be wrong, more test rows
would not help.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from flywheel.evaluation import Comparison, SuiteScore
from flywheel.gate_policy import POLICY, Policy
from flywheel.words.catalogue import say, say_count

State = Literal["passed", "refused", "undecided"]


@dataclass(frozen=True)
class Pinned:
    """A correction kept as a permanent test."""

    name: str
    """The example that it is; `review show` tells more."""
    before: bool
    after: bool


@dataclass(frozen=True)
class Report:
    """All the gate looks at. `before` in a comparison is the version being served, `after` the candidate."""

    corrected: Comparison | None
    """The test rows of the candidate's dataset; None when it has none."""
    general: Comparison | None
    """The general suite; None when this base has none."""
    weights: Sequence[str] = ()
    """What is wrong with the candidate's weights, in words: damaged files, numbers that are not finite."""
    pinned: Sequence[Pinned] = ()
    base: Sequence[SuiteScore] = ()
    """The base's own scores, told for information; they decide nothing."""


@dataclass(frozen=True)
class Verdict:
    state: State
    reasons: list[str]
    blocking: list[str] = field(default_factory=list)
    """Those of the reasons that keep it from passing."""


@dataclass(frozen=True)
class _Finding:
    state: State
    words: str


def decide(report: Report, policy: Policy = POLICY) -> Verdict:
    """Passed when every part passes, refused when one is refused, else undecided."""
    findings = [
        *_weights(report.weights),
        _corrected(report.corrected, policy),
        _general(report.general, policy),
        *_pinned(report.pinned),
    ]
    states = {finding.state for finding in findings}
    state: State = "refused" if "refused" in states else "undecided" if "undecided" in states else "passed"
    blocking = [finding.words for finding in findings if finding.state != "passed"]
    told = [_of_base(score) for score in report.base if score.n]
    return Verdict(state, [finding.words for finding in findings] + told, blocking)


def _weights(problems: Sequence[str]) -> list[_Finding]:
    if not problems:
        return [_Finding("passed", say("gate.weights_whole"))]
    return [_Finding("refused", say("gate.weights", problem=problem)) for problem in problems]


def _corrected(comparison: Comparison | None, policy: Policy) -> _Finding:
    n = comparison.n if comparison else 0
    if comparison is None or n < policy.least_test_rows:
        rows = say_count("gate.test_rows", n)
        more = say_count("gate.more_needed", policy.least_test_rows - n)
        return _Finding("undecided", say("gate.too_few", rows=rows, more=more, least=policy.least_test_rows))
    told = _told(say("gate.corrected"), comparison)
    if comparison.interval is not None:
        return _graded(told, comparison, comparison.interval)
    if comparison.gained > comparison.lost and comparison.p < policy.significance:
        return _Finding("passed", say("gate.better", told=told))
    if comparison.lost > comparison.gained and comparison.p < policy.significance:
        return _Finding("refused", say("gate.worse", told=told, version=comparison.before.version))
    return _Finding("refused", say("gate.by_chance", told=told, p=f"{policy.significance:g}"))


def _graded(told: str, comparison: Comparison, interval: tuple[float, float]) -> _Finding:
    if interval[0] > 0:
        return _Finding("passed", say("gate.better", told=told))
    if interval[1] < 0:
        return _Finding("refused", say("gate.worse", told=told, version=comparison.before.version))
    return _Finding("refused", say("gate.by_chance_graded", told=told))


def _general(comparison: Comparison | None, policy: Policy) -> _Finding:
    if comparison is None or comparison.n == 0:
        return _Finding("passed", say("gate.no_general"))
    told = _told(say("gate.general"), comparison)
    if comparison.interval is not None and comparison.interval[1] < 0:
        return _Finding("refused", say("gate.loss", told=told))
    if comparison.interval is None and comparison.lost > comparison.gained and comparison.p < policy.significance:
        return _Finding("refused", say("gate.loss_beyond_chance", told=told, p=f"{policy.significance:g}"))
    # Summed over rows: 300 rows at one point are exactly three, which floating point shares are not.
    if -comparison.difference * comparison.n > policy.general_loss * comparison.n + 1e-9:
        return _Finding("refused", say("gate.loses", told=told, most=f"{100 * policy.general_loss:g}"))
    return _Finding("passed", say("gate.kept", told=told))


def _pinned(tests: Sequence[Pinned]) -> list[_Finding]:
    if not tests:
        return []
    broken = [test for test in tests if test.before and not test.after]
    if not broken:
        right = sum(test.after for test in tests)
        return [_Finding("passed", say("gate.pinned_kept", right=right, count=len(tests)))]
    return [_Finding("refused", say("gate.pinned_broken", name=test.name)) for test in broken]


def _of_base(score: SuiteScore) -> str:
    told = f"{score.value:.1%}" if score.is_graded else say("gate.right", right=score.right, count=score.n)
    return say("gate.of_base", version=score.version, suite=score.suite, told=told)


def _told(name: str, comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    if comparison.interval is not None:
        lo, hi = comparison.interval
        return say(
            "gate.told_graded",
            name=name,
            before=f"{before.value:.1%}",
            old=before.version,
            after=f"{after.value:.1%}",
            new=after.version,
            count=comparison.n,
            difference=f"{comparison.difference:+.1%}",
            low=f"{lo:+.1%}",
            high=f"{hi:+.1%}",
        )
    return say(
        "gate.told",
        name=name,
        before=before.right,
        old=before.version,
        after=after.right,
        new=after.version,
        count=comparison.n,
        p=p_words(comparison.p),
    )


def p_words(p: float) -> str:
    """`p = 0.031`; never a bare zero, since an exact p is none."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"
