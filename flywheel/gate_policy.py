"""The policy of the gate: every number a promotion depends on, and nothing else. Change it here.

The reasons of a verdict quote these numbers, and a promotion stores the policy it was decided under.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """What a candidate must show before it may serve."""

    least_test_rows: int = 10
    """With fewer test rows in its dataset the gate is undecided: chance explains almost any result."""

    significance: float = 0.05
    """A change counts as real below this p (exact McNemar on the paired rows, two-sided)."""

    general_loss: float = 0.01
    """How much of the general suite may be lost, as a share of its rows: 0.01 is one point. A real loss never may."""

    pinned_right: float = 0.5
    """A pinned test is kept from this grade on, where answers are graded; else there is only right and wrong."""


POLICY = Policy()
