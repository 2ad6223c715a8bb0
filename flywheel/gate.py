"""The gate: may this candidate serve? A pure decision over paired scores, each reason in words with its numbers.

It reads no files and asks no model. Refused beats undecided: where something is known to be wrong, more test rows
would not help.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from flywheel.evaluation import Comparison, SuiteScore
from flywheel.gate_policy import POLICY, Policy

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
        return [_Finding("passed", "Weights: whole, and all are finite numbers.")]
    return [_Finding("refused", f"Weights: {problem}.") for problem in problems]


def _corrected(comparison: Comparison | None, policy: Policy) -> _Finding:
    n = comparison.n if comparison else 0
    if comparison is None or n < policy.least_test_rows:
        missing = policy.least_test_rows - n
        return _Finding(
            "undecided",
            f"Corrected: {n} test {_rows(n)} cannot tell a gain from luck; {missing} more {_are(missing)} needed "
            f"(at least {policy.least_test_rows}). Approve more corrections, or import test rows, then freeze again.",
        )
    told = _told("Corrected", comparison)
    if comparison.interval is not None:
        return _graded(told, comparison, comparison.interval)
    if comparison.gained > comparison.lost and comparison.p < policy.significance:
        return _Finding("passed", f"{told}: better.")
    if comparison.lost > comparison.gained and comparison.p < policy.significance:
        return _Finding("refused", f"{told}: worse than {comparison.before.version}.")
    return _Finding("refused", f"{told}: not better beyond chance (p must be below {policy.significance:g}).")


def _graded(told: str, comparison: Comparison, interval: tuple[float, float]) -> _Finding:
    if interval[0] > 0:
        return _Finding("passed", f"{told}: better.")
    if interval[1] < 0:
        return _Finding("refused", f"{told}: worse than {comparison.before.version}.")
    return _Finding("refused", f"{told}: not better beyond chance (the whole interval must lie above 0).")


def _general(comparison: Comparison | None, policy: Policy) -> _Finding:
    if comparison is None or comparison.n == 0:
        return _Finding("passed", "General: this base has no general suite, so what it forgets elsewhere is not known.")
    told = _told("General", comparison)
    if comparison.interval is not None and comparison.interval[1] < 0:
        return _Finding("refused", f"{told}: a real loss.")
    if comparison.interval is None and comparison.lost > comparison.gained and comparison.p < policy.significance:
        return _Finding("refused", f"{told}: a real loss (p is below {policy.significance:g}).")
    # Summed over rows: 300 rows at one point are exactly three, which floating point shares are not.
    if -comparison.difference * comparison.n > policy.general_loss * comparison.n + 1e-9:
        return _Finding("refused", f"{told}: it loses more than {100 * policy.general_loss:g} of 100.")
    return _Finding("passed", f"{told}: kept.")


def _pinned(tests: Sequence[Pinned]) -> list[_Finding]:
    if not tests:
        return []
    broken = [test for test in tests if test.before and not test.after]
    if not broken:
        right = sum(test.after for test in tests)
        return [_Finding("passed", f"Pinned tests: all kept ({right} of {len(tests)} right).")]
    return [_Finding("refused", f"Pinned test “{test.name}”: right before, wrong after.") for test in broken]


def _of_base(score: SuiteScore) -> str:
    told = f"{score.value:.1%}" if score.is_graded else f"{score.right} of {score.n} right"
    return f"For comparison, {score.version} (the base) on {score.suite}: {told}."


def _told(name: str, comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    if comparison.interval is not None:
        lo, hi = comparison.interval
        return (
            f"{name}: {before.value:.1%} with {before.version}, {after.value:.1%} with {after.version} over "
            f"{comparison.n} rows ({comparison.difference:+.1%}, 95 % interval {lo:+.1%} to {hi:+.1%})"
        )
    return (
        f"{name}: {comparison.before.right} of {comparison.n} right with {comparison.before.version}, "
        f"{comparison.after.right} of {comparison.n} with {comparison.after.version} ({p_words(comparison.p)})"
    )


def p_words(p: float) -> str:
    """`p = 0.031`; never a bare zero, since an exact p is none."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
