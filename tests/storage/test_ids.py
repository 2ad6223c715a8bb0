import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import ids
from storage.ids import ALPHABET, LENGTH, advance_past, new_id


def test_ids_are_26_plain_characters() -> None:
    made = new_id()
    assert len(made) == LENGTH
    assert made.isalnum() and made == made.lower()
    assert set(made) <= set(ALPHABET)


@settings(max_examples=20, deadline=None)
@given(threads=st.integers(1, 8), each=st.integers(1, 300))
def test_ids_strictly_increase_in_every_thread(threads: int, each: int) -> None:
    made: list[list[str]] = [[] for _ in range(threads)]

    def make(number: int) -> None:
        for _ in range(each):
            made[number].append(new_id())

    workers = [threading.Thread(target=make, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for own in made:
        assert own == sorted(own)
    every = [identifier for own in made for identifier in own]
    assert len(set(every)) == threads * each


def test_a_copy_of_the_process_makes_other_ids() -> None:
    """Both begin from the same last id, in the same millisecond or not."""
    program = (
        "import os, sys\nfrom storage import ids\nids.new_id()\nids._last = 1 << 129\n"
        "child = os.fork()\nos.write(1, ids.new_id().encode() + b' ')\nchild and os.waitpid(child, 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 2


def test_a_clock_set_back_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert before < new_id() < new_id()


def test_ids_go_on_after_the_newest_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", ids._last)
    stored = "01zz" + "0" * 22
    advance_past(stored)
    assert new_id() > stored


@pytest.mark.parametrize("foreign", ["", "v1", "u" * 26, "é" * 26])
def test_foreign_text_moves_nothing(foreign: str) -> None:
    before = ids._last
    advance_past(foreign)
    assert ids._last == before
