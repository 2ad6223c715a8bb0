from collections import Counter

import pytest

from trainers.plan import WINDOW, by_length, draw, replay_count


def test_share_sets_the_replay_rows() -> None:
    assert replay_count(30, 0.75) == 90
    assert replay_count(30, 0.5) == 30
    assert replay_count(30, 0) == 0


def test_each_epoch_brings_every_row_once() -> None:
    plan = draw(30, 500, 0.75, seed=1, batch_size=16, epochs=2)
    assert len(plan.order) == 240
    for epoch in (plan.order[:120], plan.order[120:]):
        assert sorted(i for i in epoch if i < 30) == list(range(30))
        assert len({i for i in epoch if i >= 30}) == 90


def test_replay_rows_come_round_before_any_repeats() -> None:
    plan = draw(30, 200, 0.75, seed=1, batch_size=16, epochs=4)
    counts = Counter(i for i in plan.order if i >= 30)
    assert set(counts.values()) == {1, 2}
    assert len(counts) == 200


def test_steps_set_the_length() -> None:
    plan = draw(30, 500, 0.75, seed=1, batch_size=16, max_steps=100)
    assert plan.steps == 100
    assert len(plan.order) == 1600
    assert plan.epoch_at(100) == pytest.approx(1600 / 120)


def test_small_replay_file_is_repeated() -> None:
    plan = draw(30, 20, 0.75, seed=1, batch_size=16, epochs=1)
    assert Counter(i for i in plan.order if i >= 30).total() == 90


def test_one_row_is_not_multiplied_to_a_batch() -> None:
    plan = draw(1, 0, 0, seed=0, batch_size=16, accumulation=8, epochs=3)
    assert (plan.batch_size, plan.accumulation, plan.steps, plan.order) == (1, 1, 3, [0, 0, 0])


def test_seed_decides_the_order() -> None:
    def order(seed: int) -> list[int]:
        return draw(30, 50, 0.5, seed=seed, batch_size=4, epochs=2).order

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_grouping_keeps_the_rows_of_a_window() -> None:
    plan = draw(50, 0, 0, seed=3, batch_size=4, epochs=1)
    lengths = [(7 * i) % 31 for i in range(50)]
    grouped = by_length(plan, lengths, seed=3)
    window = 4 * WINDOW
    for start in range(0, 50, window):
        assert sorted(grouped.order[start : start + window]) == sorted(plan.order[start : start + window])

    def padded(order: list[int]) -> int:
        return sum(4 * max(lengths[i] for i in order[j : j + 4]) for j in range(0, 50, 4))

    assert padded(grouped.order) < 0.8 * padded(plan.order)
