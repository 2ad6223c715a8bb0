import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import BadValue
from storage.migrations import Column
from storage.rows import as_json, row_hash, stored

DECLARED = {
    "id": Column("VARCHAR", False),
    "text": Column("VARCHAR", True),
    "n": Column("INTEGER", True),
    "share": Column("DOUBLE", True),
    "right": Column("BOOLEAN", True),
    "created": Column("TIMESTAMP WITH TIME ZONE", True),
}


def test_half_a_character_is_refused_by_field() -> None:
    with pytest.raises(BadValue, match=r"`text` holds half a character \(U\+D83D at position 3\)"):
        stored("turns", DECLARED, {"id": "1", "text": "abc\ud83d"})


def test_half_a_character_in_json_is_refused() -> None:
    with pytest.raises(BadValue, match="`text` holds half a character"):
        stored("turns", DECLARED, {"id": "1", "text": {"deep": ["\udc00"]}})


@pytest.mark.parametrize("text", ["a\x00b", "שלום", "<|im_start|>", "😀", ""])
def test_odd_text_is_stored_as_it_is(text: str) -> None:
    assert stored("turns", DECLARED, {"id": "1", "text": text})["text"] == text


@pytest.mark.parametrize(
    "row",
    [
        {"id": None},
        {},
        {"id": "1", "n": "3"},
        {"id": "1", "n": True},
        {"id": "1", "share": float("nan")},
        {"id": "1", "right": 1},
        {"id": "1", "created": datetime(2026, 11, 20)},
        {"id": "1", "text": 5},
        {"id": "1", "text": {"x": object()}},
    ],
)
def test_a_wrong_value_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        stored("turns", DECLARED, row)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(BadValue, match="`turns` has no field `txet`"):
        stored("turns", DECLARED, {"id": "1", "txet": ""})


def test_json_has_no_nan() -> None:
    text = as_json("details", {"mean_logprob": float("nan"), "all": [1.5, float("inf")]})
    assert json.loads(text) == {"mean_logprob": None, "all": [1.5, None]}


def test_a_moment_has_one_hash_in_all_zones() -> None:
    moment = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    abroad = moment.astimezone(timezone(timedelta(hours=5)))
    assert row_hash("t", {"created": moment}) == row_hash("t", {"created": abroad})


def test_a_later_column_keeps_old_hashes() -> None:
    assert row_hash("t", {"id": "1"}) == row_hash("t", {"id": "1", "added": None})


@given(st.dictionaries(st.sampled_from("abc"), st.text() | st.integers() | st.booleans(), min_size=1), st.data())
def test_any_changed_cell_changes_the_hash(row: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(row)))
    other = data.draw(
        (st.text() | st.integers() | st.booleans()).filter(lambda v: v is not row[name] and v != row[name])
    )
    assert row_hash("t", {**row, name: other}) != row_hash("t", row)


@given(
    st.text(),
    st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False)),
)
def test_the_hash_is_of_the_canonical_json(table: str, row: dict[str, Any]) -> None:
    kept = {name: value for name, value in row.items() if value is not None}
    text = json.dumps([table, kept], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        expected = hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        return
    assert row_hash(table, row) == expected
