"""What pages say of one and of more, in grammar that holds."""

import pytest

from flywheel.loop import LoopFacts
from flywheel.ui.data import ready_view
from flywheel.ui.learns import counted


@pytest.mark.parametrize(
    ("waiting", "approved", "said"),
    [
        (1, 1, "1 waits for a reviewer, 1 is approved."),
        (0, 2, "0 wait for a reviewer, 2 are approved."),
        (1200, 0, "1,200 wait for a reviewer, 0 are approved."),
    ],
)
def test_guests_read_how_many_wait(waiting: int, approved: int, said: str) -> None:
    facts = LoopFacts(9, 9, waiting, approved, None, 0, "v0")
    assert counted("review", facts) == said


def test_owner_reads_how_many_wait_before_the_first_freeze() -> None:
    assert "1 waits for a decision." in ready_view({"pending": 1}, {})
    assert "2 wait for a decision." in ready_view({"pending": 2}, {})
