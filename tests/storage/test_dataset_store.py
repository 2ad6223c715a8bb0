from typing import Any

import pytest

from storage.database import Database
from storage.datasets import DatasetRow, DatasetStore, DatasetVersion
from storage.errors import BadValue, Missing, Stale


@pytest.fixture
def store(db: Database) -> DatasetStore:
    return DatasetStore(db)


def row(example: str, side: str = "train", group: str = "g") -> DatasetRow:
    return DatasetRow("", example, side, group, [{"role": "user", "content": example}], "SELECT 1", "correction", 0)


def freeze(store: DatasetStore, rows: list[DatasetRow], **other: Any) -> DatasetVersion:
    fields: dict[str, Any] = {"name": "", "note": "first", "task": "sql", "content_hash": "h", "system_hash": "s"}
    fields |= {"refused": [{"example_id": "e9", "reason": "empty"}], "policy": {"shares": [70, 10, 20]}, "by": "owner"}
    return store.create(rows=rows, **(fields | other))


def test_a_version_comes_back_as_frozen(store: DatasetStore) -> None:
    made = freeze(store, [row("e1"), row("e2", "test"), row("e3")], name="spring")
    assert (made.id, made.name, made.counts) == ("d1", "spring", {"train": 2, "validation": 0, "test": 1})
    assert store.get("d1") == store.latest() == store.by_hash("h") == made
    assert made.refused == [{"example_id": "e9", "reason": "empty"}]


def test_rows_come_in_their_order(store: DatasetStore) -> None:
    freeze(store, [row(f"e{n}", "test" if n % 2 else "train") for n in range(9)])
    assert [found.example_id for found in store.rows("d1")] == [f"e{n}" for n in range(9)]
    page = store.rows("d1", "train", limit=2, offset=1)
    assert [(found.dataset, found.example_id, found.position) for found in page] == [("d1", "e2", 2), ("d1", "e4", 4)]
    assert page[0].prompt == [{"role": "user", "content": "e2"}]


def test_numbers_go_up_and_lists_go_down(store: DatasetStore) -> None:
    assert store.next_number() == 1 and store.list() == [] and store.latest() is None
    made = [freeze(store, [row("e1")], content_hash=f"h{n}") for n in range(3)]
    assert store.list() == made[::-1] and store.next_number() == 4


def test_a_number_taken_meanwhile_is_told(store: DatasetStore) -> None:
    freeze(store, [row("e1")], number=1)
    with pytest.raises(Stale, match="the next is 2, not 1"):
        freeze(store, [row("e1")], number=1)
    assert len(store.list()) == 1


def test_the_first_placement_counts(store: DatasetStore) -> None:
    freeze(store, [row("e1", "test", "a")])
    freeze(store, [row("e1", "train", "b"), row("e2", "train", "b")])
    assert store.placements() == {"e1": ("test", "a"), "e2": ("train", "b")}


def test_an_unknown_side_freezes_nothing(store: DatasetStore) -> None:
    with pytest.raises(BadValue, match="`side` cannot be `dev`"):
        freeze(store, [row("e1"), row("e2", "dev")])
    assert store.list() == []


@pytest.mark.parametrize("unknown", ["d7", "7", "", "dd1", "d1; DROP TABLE dataset_rows", "d²"])
def test_an_unknown_version_is_named(store: DatasetStore, unknown: str) -> None:
    freeze(store, [row("e1")])
    assert store.get(unknown) is None
    with pytest.raises(Missing, match="no dataset version"):
        store.rows(unknown)
