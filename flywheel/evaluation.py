"""What scores mean: proportions with their 95 % intervals, and what changed between two versions on the same rows.

Pure: standard library alone, no files, no models, no storage. Who is compared with whom, and whether the result is
good enough, is for others to say (`gate`). Rows are always paired: position i of two scores is the same question.
"""

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Z95 = 1.959963984540054


class Judge(Protocol):
    """The part of a task that says what an answer is worth: 1 is right, 0 has nothing of it."""

    def grade(self, prediction: str, reference: str) -> float: ...


@dataclass(frozen=True)
class SuiteScore:
    """One version's result on one suite: a grade per row, in the order of the suite; only 0 and 1 on most tasks."""

    suite: str
    version: str
    grades: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.grades)

    @property
    def right(self) -> int:
        return sum(grade >= 1 for grade in self.grades)

    @property
    def is_graded(self) -> bool:
        """Some answers are neither right nor wrong."""
        return any(0 < grade < 1 for grade in self.grades)

    @property
    def value(self) -> float:
        """Mean grade, which is the share of right answers where there is no other; 0 when the suite is empty."""
        return math.fsum(self.grades) / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `value`: Wilson's for shares, bootstrapped for grades."""
        if self.is_graded:
            return bootstrap([0.0] * self.n, self.grades)
        return wilson(self.right, self.n)


@dataclass(frozen=True)
class Comparison:
    """The same rows answered by two versions."""

    suite: str
    before: SuiteScore
    after: SuiteScore
    gained: int
    """Rows that were wrong before and are right after; of grades, those that rose."""
    lost: int
    """Rows that were right before and are wrong after; of grades, those that fell."""
    p: float
    """Two-sided exact McNemar: how often chance alone would split the changed rows this unevenly."""
    interval: tuple[float, float] | None = None
    """Where grades are compared: the 95 % interval of `difference`. None where all are right or wrong: there `p` says
    more."""

    @property
    def n(self) -> int:
        return self.before.n

    @property
    def difference(self) -> float:
        """After minus before, -1 to 1."""
        return self.after.value - self.before.value


def compare(before: SuiteScore, after: SuiteScore) -> Comparison:
    """Pair two scores row by row. Raises ValueError when they are not of the same rows."""
    if before.suite != after.suite or before.n != after.n:
        raise ValueError(
            f"`{before.suite}` of {before.version} has {before.n} rows and `{after.suite}` of {after.version} has "
            f"{after.n}. Score both on the same rows."
        )
    gained = sum(a < b for a, b in zip(before.grades, after.grades, strict=True))
    lost = sum(a > b for a, b in zip(before.grades, after.grades, strict=True))
    graded = before.is_graded or after.is_graded
    interval = bootstrap(before.grades, after.grades) if graded else None
    p = mcnemar(before.grades, after.grades)
    return Comparison(before.suite, before, after, gained, lost, p, interval)


def score(judge: Judge, references: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Judge each text against its reference. Raises ValueError when their numbers differ."""
    if len(references) != len(texts):
        raise ValueError(f"There are {len(texts)} answers for {len(references)} rows. Predict the suite again.")
    return [judge.grade(text, reference) for text, reference in zip(texts, references, strict=True)]


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of `right` of `n`, within 0 to 1; (0, 1) when nothing was tried."""
    if not 0 <= right <= n:
        raise ValueError(f"`{right}` of `{n}` is no proportion. Give 0 <= right <= n.")
    if n == 0:
        return 0.0, 1.0
    share, square = right / n, Z95 * Z95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At the ends the formula meets 0 and 1 exactly; floating point does not.
    return (0.0 if right == 0 else centre - half), (1.0 if right == n else centre + half)


def mcnemar(before: Sequence[float], after: Sequence[float]) -> float:
    """Two-sided exact p of the paired change: a fair coin tossed once for each row that changed (the sign test)."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} rows before and {len(after)} after are not pairs. Score the same rows.")
    gained = sum(a < b for a, b in zip(before, after, strict=True))
    lost = sum(a > b for a, b in zip(before, after, strict=True))
    changed, fewer = gained + lost, min(gained, lost)
    tail, ways = 0, 1
    for i in range(fewer + 1):
        tail += ways
        ways = ways * (changed - i) // (i + 1)
    return float(min(1.0, 2 * tail / 2**changed))


def bootstrap(
    before: Sequence[float], after: Sequence[float], *, seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """The 95 % interval of the mean paired difference, for scores that are not yes or no; (0, 0) without rows."""
    return _bootstrap(tuple(b - a for a, b in zip(before, after, strict=True)), seed, draws)


@functools.lru_cache(maxsize=128)
def _bootstrap(differences: tuple[float, ...], seed: int, draws: int) -> tuple[float, float]:
    """Cached: pages ask the same again every few seconds."""
    if not differences:
        return 0.0, 0.0
    rng, n = random.Random(seed), len(differences)
    means = sorted(math.fsum(rng.choices(differences, k=n)) / n for _ in range(draws))
    return means[int(0.025 * draws)], means[min(draws - 1, int(0.975 * draws))]
