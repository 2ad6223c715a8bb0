"""A value that is slow to make does not hold anybody up once there is an old one."""

import threading

import pytest

from flywheel import fresh


def test_old_value_is_given_while_a_new_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "QUICK", -1.0)
    monkeypatch.setattr(fresh, "SHARE_OF_TIME", 1e12)
    go, made = threading.Event(), []

    def make() -> str:
        if made:
            assert go.wait(10)
        made.append(len(made))
        return f"value {len(made)}"

    value = fresh.Fresh(make)
    assert value.get() == "value 1"
    assert value.get() == value.get() == "value 1"
    go.set()
    while value.get() == "value 1":
        pass
    assert value.get().startswith("value ")


def test_quick_value_is_always_new() -> None:
    numbers = iter(range(1, 10))
    value = fresh.Fresh(lambda: next(numbers))
    assert [value.get(), value.get()] == [1, 2]
    value.forget()
    assert value.get() == 3
