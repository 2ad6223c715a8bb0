"""Intervals and paired tests against published values, and what must hold for any input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.evaluation import SuiteScore, bootstrap, compare, mcnemar, score, wilson

flags = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80)


def paired(gained: int, lost: int, both: int = 0) -> tuple[list[bool], list[bool]]:
    before = [False] * gained + [True] * lost + [True] * both
    after = [True] * gained + [False] * lost + [True] * both
    return before, after


@pytest.mark.parametrize(
    ("right", "n", "lo", "hi"),
    # R: binom::binom.wilson(right, n)
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
        (58, 60, 0.8864, 0.9908),
    ],
)
def test_wilson_gives_published_values(right: int, n: int, lo: float, hi: float) -> None:
    assert wilson(right, n) == pytest.approx((lo, hi), abs=1e-4)


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(pair: tuple[int, int]) -> None:
    right, n = pair
    lo, hi = wilson(right, n)
    share = right / n if n else 0.0
    assert 0 <= lo <= share <= hi <= 1
    assert wilson(n - right, n) == pytest.approx((1 - hi, 1 - lo))


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    # R: binom.test(min(gained, lost), gained + lost)$p.value
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (10, 1, 0.01171875), (3, 3, 1.0), (2, 9, 0.06542969)],
)
def test_mcnemar_gives_binomial_values(gained: int, lost: int, p: float) -> None:
    assert mcnemar(*paired(gained, lost, both=20)) == pytest.approx(p)


@given(flags)
def test_mcnemar_ignores_the_direction(rows: list[tuple[bool, bool]]) -> None:
    before, after = [a for a, _ in rows], [b for _, b in rows]
    p = mcnemar(before, after)
    assert 0 < p <= 1
    assert p == mcnemar(after, before)
    assert p == mcnemar([*before, True, False], [*after, True, False])


def test_mcnemar_stays_exact_for_many_rows() -> None:
    assert mcnemar(*paired(2000, 1800)) == pytest.approx(0.001237, abs=2e-5)
    assert 0 < mcnemar(*paired(900, 0)) < 1e-200


def test_comparison_counts_changed_rows() -> None:
    before, after = paired(4, 1, both=5)
    result = compare(SuiteScore("corrected", "v0", tuple(before)), SuiteScore("corrected", "v1", tuple(after)))
    assert (result.n, result.gained, result.lost) == (10, 4, 1)
    assert result.difference == pytest.approx(0.3)


def test_other_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(SuiteScore("corrected", "v0", (True,)), SuiteScore("corrected", "v1", (True, False)))
    with pytest.raises(ValueError, match="same rows"):
        compare(SuiteScore("general", "v0", (True,)), SuiteScore("corrected", "v1", (True,)))


class Equality:
    def grade(self, prediction: str, reference: str) -> float:
        return float(prediction == reference)


def test_score_judges_row_by_row() -> None:
    assert score(Equality(), ["a", "b", "c"], ["a", "x", "c"]) == [True, False, True]
    with pytest.raises(ValueError, match="2 answers for 1 rows"):
        score(Equality(), ["a"], ["a", "b"])


def test_grades_are_compared_by_their_interval() -> None:
    low, high = SuiteScore("corrected", "v0", (0.2, 0.3, 0.1, 0.4)), SuiteScore("corrected", "v1", (0.5, 0.6, 1.0, 0.3))
    result = compare(low, high)
    assert (result.gained, result.lost) == (3, 1)
    assert result.interval is not None and result.interval[0] <= result.difference <= result.interval[1]
    assert (high.right, high.value) == (1, pytest.approx(0.6))
    lo, hi = high.interval
    assert 0.3 <= lo < 0.6 < hi <= 1.0
    assert compare(SuiteScore("corrected", "v0", (0, 1)), SuiteScore("corrected", "v1", (1, 1))).interval is None


def test_empty_suite_scores_nothing() -> None:
    empty = SuiteScore("general", "v0", ())
    assert (empty.value, empty.interval) == (0.0, (0.0, 1.0))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.integers(0, 9))
def test_bootstrap_interval_lies_among_differences(rows: list[tuple[float, float]], seed: int) -> None:
    before, after = [a for a, _ in rows], [b for _, b in rows]
    lo, hi = bootstrap(before, after, seed=seed, draws=100)
    differences = [b - a for a, b in rows]
    assert min(differences) - 1e-9 <= lo <= hi <= max(differences) + 1e-9
    assert (lo, hi) == bootstrap(before, after, seed=seed, draws=100)


def test_bootstrap_sees_a_steady_gain() -> None:
    before = [0.1 * (i % 7) for i in range(60)]
    lo, hi = bootstrap(before, [value + 0.2 + 0.01 * (i % 3) for i, value in enumerate(before)])
    assert 0.2 <= lo < 0.21 < hi <= 0.22
