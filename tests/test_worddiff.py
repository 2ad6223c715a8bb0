"""Word differences as a reviewer reads them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from flywheel.worddiff import word_diff

text = st.text(alphabet="ab (),\n\t=1é", max_size=80)


@given(text, text)
def test_parts_join_to_both_texts(old: str, new: str) -> None:
    parts = word_diff(old, new)
    assert "".join(part for op, part in parts if op in ("same", "removed")) == old
    assert "".join(part for op, part in parts if op in ("same", "added")) == new


def test_only_the_changed_words_are_marked() -> None:
    parts = word_diff("SELECT count(*) FROM orders WHERE total > 5", "SELECT count(*) FROM orders WHERE total >= 5")
    assert parts == [
        ("same", "SELECT count(*) FROM orders WHERE total >"),
        ("added", "="),
        ("same", " 5"),
    ]


def test_what_is_added_at_the_end_leaves_the_last_word_alone() -> None:
    assert word_diff("SELECT 1 FROM orders", "SELECT 1 FROM orders WHERE total > 9") == [
        ("same", "SELECT 1 FROM orders"),
        ("added", " WHERE total > 9"),
    ]


def test_long_texts_are_compared_quickly() -> None:
    started = time.monotonic()
    parts = word_diff("()" * 10_000, "((" * 10_000)
    assert time.monotonic() - started < 2
    assert ("cut", "Only the first 3,000 words that differ are compared.") in parts
    assert "".join(part for op, part in parts if op in ("same", "added")) == "((" * 10_000
