"""The order in which lessons are learnt: the whole run laid out before it begins.

A pure function of the seed and the numbers, so that a resumed run goes on exactly where it stopped and a second run
repeats the first. Knows indices and lengths alone, neither texts nor tokens.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

WINDOW = 4
"""Batches that are sorted by length among themselves: less padding, and each batch stays a fair mixture."""


@dataclass(frozen=True)
class Plan:
    """Rows by index, in the order they are seen. Replay row j has the index `rows + j`."""

    order: list[int]
    batch_size: int
    """Rows per forward pass; less than asked when an epoch has fewer rows."""
    accumulation: int
    steps: int
    epoch_rows: int

    def epoch_at(self, step: int) -> float:
        """Epochs seen after this many steps."""
        return min(step * self.batch_size * self.accumulation, len(self.order)) / self.epoch_rows


def replay_count(rows: int, share: float) -> int:
    """Replay rows of an epoch of so many rows, such that they are `share` of the whole."""
    return round(rows * share / (1 - share))


def draw(
    rows: int,
    replay: int,
    share: float,
    *,
    seed: int,
    batch_size: int,
    accumulation: int = 1,
    epochs: float | None = None,
    max_steps: int | None = None,
) -> Plan:
    """Lay out a run over `rows` rows and a replay file of `replay` rows, either by epochs or by steps.

    Each epoch brings every row once and fresh replay rows; none of those comes twice before all came once.
    """
    fresh = replay_count(rows, share) if replay else 0
    epoch_rows = rows + fresh
    batch_size = min(batch_size, epoch_rows)
    accumulation = min(accumulation, math.ceil(epoch_rows / batch_size))
    per_step = batch_size * accumulation
    if max_steps is not None:
        steps, total = max_steps, max_steps * per_step
    else:
        total = max(1, round(epoch_rows * (epochs or 0)))
        steps = math.ceil(total / per_step)
    chance = random.Random(seed)
    order: list[int] = []
    deck: list[int] = []
    while len(order) < total:
        while len(deck) < fresh:
            deck += chance.sample(range(rows, rows + replay), replay)
        epoch = [*range(rows), *deck[:fresh]]
        del deck[:fresh]
        chance.shuffle(epoch)
        order += epoch
    return Plan(order[:total], batch_size, accumulation, steps, epoch_rows)


def by_length(plan: Plan, lengths: Sequence[int], seed: int) -> Plan:
    """Sort by length within windows of a few batches, then shuffle the batches of each window.

    `lengths` are tokens by row index. Keeps the last, possibly short batch last.
    """
    size = plan.batch_size
    span = size * plan.accumulation * math.ceil(WINDOW / plan.accumulation)
    chance = random.Random(seed + 1)
    order: list[int] = []
    for start in range(0, len(plan.order), span):
        window = sorted(plan.order[start : start + span], key=lambda index: lengths[index])
        batches = [window[i : i + size] for i in range(0, len(window), size)]
        whole = [batch for batch in batches if len(batch) == size]
        chance.shuffle(whole)
        order += [index for batch in whole for index in batch]
        order += [index for batch in batches if len(batch) < size for index in batch]
    return replace(plan, order=order)
