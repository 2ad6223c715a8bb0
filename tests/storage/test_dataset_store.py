import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from storage import datasets
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetRow, DatasetStore, DatasetVersion
from storage.errors import BadValue, Missing, Stale
from storage.ids import new_id
from storage.ledger import verify
from storage.personal import PersonalStore
from storage.records import stamped


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


def unfinished(db: Database, rows: list[DatasetRow]) -> None:
    """What a freeze leaves whose process ended after its first parts."""
    store = DatasetStore(db)
    store._append(rows, store.next_number(), 0, "owner")


def test_rows_without_their_version_are_no_rows(db: Database, store: DatasetStore) -> None:
    freeze(store, [row("e1", "test", "a")])
    unfinished(db, [row("e2", "test", "b"), row("e3")])
    assert store.placements() == {"e1": ("test", "a")} and store.holding(["e2", "e3"]) == {}
    assert PersonalStore(db).frozen("guest:x") == [] and store.next_number() == 2
    assert freeze(store, [row("e2", "train")]).id == "d2"
    assert [(found.example_id, found.side) for found in store.rows("d2")] == [("e2", "train")]
    assert store.placements() == {"e1": ("test", "a"), "e2": ("train", "g")}


def test_what_a_killed_freeze_left_goes_with_a_proof(db: Database, store: DatasetStore) -> None:
    freeze(store, [row("e1")])
    unfinished(db, [row(f"x{n}") for n in range(7)])
    assert (store.clear(by="flywheel"), store.clear(by="flywheel")) == (7, 0)
    assert db.value("SELECT count(*) FROM dataset_rows") == 1
    assert db.value("SELECT count(*) FROM erasures WHERE table_name = 'dataset_rows'") == 7
    assert verify(db).ok


def test_others_write_between_the_parts_of_a_freeze(
    db: Database, store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "PART", 10)
    talks = ConversationStore(db)
    owned = talks.start(owner="o", task="chat", title="t", by="o")
    done = threading.Event()

    def chats() -> None:
        while not done.wait(0.001):
            talks.add_turn(conversation_id=owned.id, parent_id=None, role="user", content="hi", by="o")

    chatting = threading.Thread(target=chats)
    chatting.start()
    freeze(store, [row(f"e{n}") for n in range(300)])
    done.set()
    chatting.join()
    between = (
        "seq BETWEEN (SELECT min(seq) FROM ledger WHERE table_name = 'dataset_rows') AND (SELECT max(seq) FROM ledger)"
    )
    assert db.value(f"SELECT count(*) FROM ledger WHERE table_name = 'turns' AND {between}") > 3
    assert [found.position for found in store.rows("d1")] == list(range(300))


def test_a_row_withdrawn_meanwhile_leaves_no_version_and_no_rows(db: Database, store: DatasetStore) -> None:
    gone = {"id": new_id(), "table_name": "examples", "row_id": "e2", "row_hash": "h"}
    db.write(lambda tx: tx.append("erasures", stamped(gone, "x", datetime.now(UTC))), by="x")
    with pytest.raises(Stale, match="1 of these rows were withdrawn"):
        freeze(store, [row("e1"), row("e2")])
    assert store.list() == [] and db.value("SELECT count(*) FROM dataset_rows") == 0
