"""What scores mean: proportions with their 95 % intervals, and what changed between two versions on the same rows.

Pure: standard library alone, no files, no models, no storage. Who is compared with whom, and whether the result is
good enough, is for others to say (`gate`). Rows are always paired: position i of two scores is the same question.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Z95 = 1.959963984540054


class Judge(Protocol):
    """The part of a task that says whether an answer is right."""

    def correct(self, prediction: str, reference: str) -> bool: ...


@dataclass(frozen=True)
class SuiteScore:
    """One version's result on one suite: a flag per row, in the order of the suite."""

    suite: str
    version: str
    correct: tuple[bool, ...]

    @property
    def n(self) -> int:
        return len(self.correct)

    @property
    def right(self) -> int:
        return sum(self.correct)

    @property
    def value(self) -> float:
        """Share of right answers, 0 to 1; 0 when the suite is empty."""
        return self.right / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `value`."""
        return wilson(self.right, self.n)


@dataclass(frozen=True)
class Comparison:
    """The same rows answered by two versions."""

    suite: str
    before: SuiteScore
    after: SuiteScore
    gained: int
    """Rows that were wrong before and are right after."""
    lost: int
    """Rows that were right before and are wrong after."""
    p: float
    """Two-sided exact McNemar: how often chance alone would split the changed rows this unevenly."""

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
    gained = sum(not a and b for a, b in zip(before.correct, after.correct, strict=True))
    lost = sum(a and not b for a, b in zip(before.correct, after.correct, strict=True))
    return Comparison(before.suite, before, after, gained, lost, mcnemar(before.correct, after.correct))


def score(judge: Judge, references: Sequence[str], texts: Sequence[str]) -> list[bool]:
    """Judge each text against its reference. Raises ValueError when their numbers differ."""
    if len(references) != len(texts):
        raise ValueError(f"There are {len(texts)} answers for {len(references)} rows. Predict the suite again.")
    return [judge.correct(text, reference) for text, reference in zip(texts, references, strict=True)]


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


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Two-sided exact p of the paired change: a fair coin tossed once for each row whose flag changed."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} rows before and {len(after)} after are not pairs. Score the same rows.")
    gained = sum(not a and b for a, b in zip(before, after, strict=True))
    lost = sum(a and not b for a, b in zip(before, after, strict=True))
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
    differences = [b - a for a, b in zip(before, after, strict=True)]
    if not differences:
        return 0.0, 0.0
    rng, n = random.Random(seed), len(differences)
    means = sorted(math.fsum(rng.choices(differences, k=n)) / n for _ in range(draws))
    return means[int(0.025 * draws)], means[min(draws - 1, int(0.975 * draws))]
