import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.chain import Entry, Head, Tail, chain, line_hash

NOW = datetime(2026, 11, 20, tzinfo=UTC)
entries = st.lists(st.builds(Entry, st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)))


@given(entries, entries)
def test_two_batches_make_the_chain_of_one(first: list[Entry], second: list[Entry]) -> None:
    middle, lines = chain(Head(), first, NOW)
    end, more = chain(middle, second, NOW)
    assert (end, lines + more) == chain(Head(), first + second, NOW)
    assert [line[0] for line in lines + more] == list(range(1, len(first) + len(second) + 1))


@given(st.tuples(st.text(), st.text(), st.text(), st.text()), st.integers(0, 3), st.text(min_size=1))
def test_moving_text_between_fields_changes_the_hash(fields: tuple[str, ...], at: int, more: str) -> None:
    moved = list(fields)
    moved[at] += more
    assert line_hash("0", 1, NOW, Entry(*moved)) != line_hash("0", 1, NOW, Entry(*fields))


@given(st.text(), st.integers(0, 10**12), st.tuples(st.text(), st.text(), st.text(), st.text()))
def test_a_lines_hash_is_of_its_json(before: str, seq: int, fields: tuple[str, str, str, str]) -> None:
    entry = Entry(*fields)
    line = [before, seq, NOW.isoformat(), entry.by, entry.table, entry.row_id, entry.row_hash]
    expected = hashlib.sha256(json.dumps(line, ensure_ascii=False).encode()).hexdigest()
    assert line_hash(before, seq, NOW, entry) == expected


def test_the_side_file_says_the_last_line(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "ledger.tail")
    assert tail.read() is None
    for head in (Head(9, "a" * 64), Head(10, "b" * 64), Head(11, "c" * 64)):
        tail.write(head)
        assert tail.read() == head
    assert tail.path.stat().st_size == 128
    tail.close()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"seq": 1', '{"seq": -1, "hash": "x"}', "[]", '{"seq": null, "hash": ""}']
)
def test_a_damaged_side_file_is_not_believed(tmp_path: Path, content: str) -> None:
    (tmp_path / "ledger.tail").write_text(content)
    with pytest.raises(ValueError, match="is damaged"):
        Tail(tmp_path / "ledger.tail").read()
