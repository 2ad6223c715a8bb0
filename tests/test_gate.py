"""What may serve and what may not, and whether the reasons tell a person why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.evaluation import Comparison, SuiteScore, compare
from flywheel.gate import Pinned, Report, decide
from flywheel.gate_policy import Policy


def change(suite: str, n: int, before: int, gained: int, lost: int = 0) -> Comparison:
    """`before` of `n` right, then `gained` of the wrong ones become right and `lost` of the right ones wrong."""
    old = [True] * before + [False] * (n - before)
    new = [i >= lost for i in range(before)] + [i < gained for i in range(n - before)]
    return compare(SuiteScore(suite, "v1", tuple(old)), SuiteScore(suite, "v2", tuple(new)))


GAIN = change("corrected", 60, 2, 56)
KEPT = change("general", 300, 285, 0)


def report(
    corrected: Comparison | None = GAIN, general: Comparison | None = KEPT, weights: tuple[str, ...] = (), **other
) -> Report:
    return Report(corrected, general, weights, **other)


def test_a_clear_gain_passes() -> None:
    verdict = decide(report())
    assert verdict.state == "passed"
    assert verdict.blocking == []


def test_reasons_tell_the_numbers() -> None:
    words = " ".join(decide(report(base=[SuiteScore("corrected", "v0", (False,) * 60)])).reasons)
    assert "2 of 60 right with v1, 58 of 60 with v2 (p < 0.0001)" in words
    assert "285 of 300 right with v1, 285 of 300 with v2 (p = 1)" in words
    assert "v0 (the base) on corrected: 0 of 60 right" in words


def test_a_gain_by_luck_is_refused() -> None:
    verdict = decide(report(corrected=change("corrected", 60, 30, 5)))
    assert verdict.state == "refused"
    assert "not better beyond chance" in verdict.blocking[0]
    assert decide(report(corrected=change("corrected", 60, 30, 6))).state == "passed"


def test_a_worse_candidate_is_refused() -> None:
    verdict = decide(report(corrected=change("corrected", 60, 40, 0, lost=12)))
    assert verdict.state == "refused"
    assert "worse than v1" in verdict.blocking[0]


def graded(n: int, before: float, after: float, suite: str = "corrected") -> Comparison:
    """Grades around two means."""
    shaken = [0.1 * (i % 3 - 1) for i in range(n)]
    old, new = (tuple(mean + by for by in shaken[::step]) for mean, step in ((before, 1), (after, -1)))
    return compare(SuiteScore(suite, "v1", old), SuiteScore(suite, "v2", new))


def test_grades_pass_when_their_interval_lies_above_nothing() -> None:
    verdict = decide(report(corrected=graded(30, 0.3, 0.6), general=None))
    assert verdict.state == "passed"
    assert "30.0% with v1, 60.0% with v2 over 30 rows (+30.0%, 95 % interval +" in verdict.reasons[1]
    by_chance = decide(report(corrected=graded(12, 0.3, 0.31), general=None))
    assert by_chance.state == "refused" and "not better beyond chance" in by_chance.blocking[0]
    worse = decide(report(corrected=graded(30, 0.6, 0.3), general=None))
    assert worse.state == "refused" and "worse than v1" in worse.blocking[0]


def test_grades_may_not_fall_elsewhere() -> None:
    lost = decide(report(general=graded(30, 0.6, 0.3, "general")))
    assert lost.state == "refused" and "a real loss" in lost.blocking[0]
    assert decide(report(general=graded(30, 0.3, 0.6, "general"))).state == "passed"


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_test_rows_leave_it_undecided(n: int) -> None:
    verdict = decide(report(corrected=change("corrected", n, 0, n)))
    assert verdict.state == "undecided"
    assert f"{10 - n} more" in verdict.blocking[0]


def test_ten_test_rows_can_decide() -> None:
    assert decide(report(corrected=change("corrected", 10, 0, 10))).state == "passed"


def test_no_test_rows_are_ten_missing() -> None:
    verdict = decide(report(corrected=None))
    assert verdict.state == "undecided"
    assert "10 more are needed" in verdict.blocking[0]


def test_one_point_of_general_loss_is_allowed() -> None:
    assert decide(report(general=change("general", 300, 285, 0, lost=3))).state == "passed"
    verdict = decide(report(general=change("general", 300, 285, 0, lost=4)))
    assert verdict.state == "refused"
    assert "loses more than 1 of 100" in verdict.blocking[0]


def test_a_real_general_loss_is_refused() -> None:
    # Six of 1,000 are less than a point, yet six of six changed rows were lost.
    verdict = decide(report(general=change("general", 1000, 900, 0, lost=6)))
    assert verdict.state == "refused"
    assert "a real loss" in verdict.blocking[0]


def test_a_general_gain_is_no_loss() -> None:
    assert decide(report(general=change("general", 300, 200, 50, lost=2))).state == "passed"


def test_no_general_suite_is_said() -> None:
    verdict = decide(report(general=None))
    assert verdict.state == "passed"
    assert any("no general suite" in reason for reason in verdict.reasons)


def test_infinite_weights_never_pass() -> None:
    verdict = decide(report(weights=("the tensor q_proj holds NaN or Inf",)))
    assert verdict.state == "refused"
    assert verdict.blocking == ["Weights: the tensor q_proj holds NaN or Inf."]


def test_a_broken_pinned_test_is_refused_by_name() -> None:
    tests = [Pinned("open orders in York", True, True), Pinned("cheapest lock", True, False)]
    verdict = decide(report(pinned=tests))
    assert verdict.state == "refused"
    assert verdict.blocking == ["Pinned test “cheapest lock”: right before, wrong after."]


def test_a_pinned_test_never_right_blocks_nothing() -> None:
    assert decide(report(pinned=[Pinned("cheapest lock", False, False)])).state == "passed"


def test_refused_beats_undecided() -> None:
    verdict = decide(report(corrected=None, general=change("general", 300, 285, 0, lost=30)))
    assert verdict.state == "refused"
    assert len(verdict.blocking) == 2


def test_the_policy_is_obeyed() -> None:
    strict = Policy(least_test_rows=100, significance=0.001, general_loss=0.0)
    assert decide(report(), strict).state == "undecided"
    assert decide(report(general=change("general", 300, 285, 0, lost=1)), strict).state == "refused"
    assert decide(report(corrected=change("corrected", 100, 30, 8)), strict).state == "refused"


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_more_gain_never_hurts(wrong: int, gained: int, lost: int) -> None:
    gained = min(gained, wrong)
    weaker = decide(report(corrected=change("corrected", wrong + 20, 20, gained, lost)))
    stronger = decide(report(corrected=change("corrected", wrong + 20, 20, wrong, 0)))
    assert stronger.state == "passed" or weaker.state != "passed"
