import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from storage.database import Database
from storage.errors import BadValue, Missing, Stale
from storage.examples import Example, ExampleStore, NewExample
from storage.ledger import verify

PROMPT = [{"role": "user", "content": "how many big ticket orders?"}]


@pytest.fixture
def store(db: Database) -> ExampleStore:
    conversation = {"id": "c1", "owner": "local:owner", "task": "chat", "title": ""}
    stamp = {"created": datetime.now(UTC), "created_by": "local:owner"}
    db.write(lambda tx: tx.append("conversations", conversation | stamp), by="local:owner")
    return ExampleStore(db)


def propose(store: ExampleStore, turn: str, text: str = "SELECT 2", **other: Any) -> Example:
    fields: dict[str, Any] = {"provenance": "correction", "answer": "SELECT 1", "version": "v0", "by": "guest:1"}
    return store.propose(turn_id=turn, conversation_id="c1", prompt=PROMPT, completion=text, **(fields | other))


def thumb(store: ExampleStore, turn: str) -> Example:
    return propose(store, turn, "SELECT 1", provenance="thumb")


def decide(store: ExampleStore, example: Example, kind: str, **other: Any) -> Example:
    return store.decide(example.id, kind, **({"expected_event": None, "by": "reviewer"} | other))


def test_a_proposal_waits_in_the_inbox(store: ExampleStore) -> None:
    made = propose(store, "t1", reasons=["wrong"], comment="over 1000")
    assert store.inbox() == [made] == [store.get(made.id)]
    assert (made.state, made.reasons, made.comment, made.decided_by) == ("pending", ["wrong"], "over 1000", None)
    assert store.for_turns(["t1", "t2"]) == {"t1": made}


def test_a_turn_has_one_example(store: ExampleStore) -> None:
    first = propose(store, "t1", "SELECT 2")
    second = propose(store, "t1", "SELECT 3")
    assert (second.id, second.completion, second.state) == (first.id, "SELECT 3", "pending")
    assert store.counts()["pending"] == 1


def test_the_same_text_again_stays_decided(store: ExampleStore) -> None:
    decided = decide(store, propose(store, "t1"), "approved")
    assert propose(store, "t1") == decided
    assert propose(store, "t1", "SELECT 9").state == "pending"
    assert store.approved() == []


def test_a_thumb_never_replaces_a_correction(store: ExampleStore) -> None:
    corrected = propose(store, "t1", "SELECT 2")
    assert thumb(store, "t1") == corrected
    decide(store, corrected, "withdrawn")
    again = thumb(store, "t1")
    assert (again.state, again.completion, again.provenance) == ("pending", "SELECT 2", "correction")


def test_a_correction_replaces_a_thumb(store: ExampleStore) -> None:
    thumb(store, "t1")
    corrected = propose(store, "t1", "SELECT 2")
    assert (corrected.provenance, corrected.completion) == ("correction", "SELECT 2")
    assert [item.id for item in store.inbox()] == [corrected.id]


def test_new_reasons_reach_a_waiting_example(store: ExampleStore) -> None:
    propose(store, "t1", reasons=["slow"])
    assert propose(store, "t1", reasons=["wrong"], comment="look").reasons == ["wrong"]
    assert store.inbox()[0].comment == "look"


def test_a_withdrawn_thumb_leaves_the_inbox(store: ExampleStore) -> None:
    withdrawn = decide(store, thumb(store, "t1"), "withdrawn", by="guest:1")
    assert withdrawn.state == "withdrawn" and store.inbox() == []
    assert thumb(store, "t1").state == "pending"


def test_corrections_come_before_thumbs_then_the_newest(store: ExampleStore) -> None:
    order = [thumb(store, "t1"), propose(store, "t2"), thumb(store, "t3"), propose(store, "t4")]
    wanted = [order[3], order[1], order[2], order[0]]
    assert store.inbox() == wanted
    pages: list[Example] = []
    while page := store.inbox(limit=1, after=pages[-1].id if pages else None):
        pages += page
    assert pages == wanted


def test_the_next_page_survives_a_decision(store: ExampleStore) -> None:
    order = [propose(store, f"t{n}") for n in range(4)]
    first = store.inbox(limit=2)
    decide(store, first[0], "approved")
    assert store.inbox(limit=2, after=first[1].id) == [order[1], order[0]]


def test_an_edited_approval_says_so(store: ExampleStore) -> None:
    made = propose(store, "t1")
    edited = decide(store, made, "approved", completion="SELECT 3", expected_event=made.event_id)
    assert (edited.provenance, edited.completion, edited.answer) == ("edited", "SELECT 3", "SELECT 1")
    assert (edited.decided_by, edited.state) == ("reviewer", "approved")
    assert store.approved() == [edited]


def test_an_unchanged_approval_keeps_its_origin(store: ExampleStore) -> None:
    assert decide(store, propose(store, "t1"), "approved", completion="SELECT 2").provenance == "correction"


def test_undo_brings_the_proposal_back(store: ExampleStore) -> None:
    made = propose(store, "t1")
    decide(store, made, "approved", completion="SELECT 3")
    undone = decide(store, made, "reopened")
    assert (undone.state, undone.completion, undone.provenance) == ("pending", "SELECT 2", "correction")
    assert store.inbox() == [undone]


def test_the_second_reviewer_is_told(store: ExampleStore) -> None:
    made = propose(store, "t1")
    decide(store, made, "approved", expected_event=made.event_id)
    with pytest.raises(Stale, match="became approved meanwhile"):
        decide(store, made, "rejected", reason="no", expected_event=made.event_id)
    assert store.counts() == {
        "pending": 0, "approved": 1, "rejected": 0, "skipped": 0, "quarantined": 0, "withdrawn": 0
    }  # fmt: skip


def test_of_racing_reviewers_one_decides(store: ExampleStore, db: Database) -> None:
    made = propose(store, "t1")
    outcomes: list[str] = []

    def review(kind: str) -> None:
        try:
            outcomes.append(decide(store, made, kind, expected_event=made.event_id).state)
        except Stale:
            outcomes.append("told")

    threads = [threading.Thread(target=review, args=(kind,)) for kind in ["approved", "rejected"] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("told") == 15
    assert db.value("SELECT count(*) FROM example_events") == 2


def test_the_same_decision_twice_is_one(store: ExampleStore, db: Database) -> None:
    made = propose(store, "t1")
    once = decide(store, made, "rejected", reason="no")
    assert decide(store, made, "rejected", reason="no") == once
    assert db.value("SELECT count(*) FROM example_events") == 2


def test_skipped_ones_wait_elsewhere(store: ExampleStore) -> None:
    skipped = decide(store, propose(store, "t1"), "skipped")
    assert store.inbox() == [] and store.listing("skipped") == [skipped]


def test_a_decision_needs_its_example(store: ExampleStore) -> None:
    with pytest.raises(Missing, match="no example `forged`"):
        store.decide("forged", "approved", expected_event=None, by="reviewer")
    with pytest.raises(BadValue, match="`decision` cannot be `liked`"):
        decide(store, propose(store, "t1"), "liked")


def test_an_import_leaves_out_what_is_there(store: ExampleStore) -> None:
    rows = [NewExample(PROMPT, f"SELECT {n % 3}", state="approved") for n in range(6)]
    added, duplicates = store.add_many(rows, by="owner")
    assert (len(added), duplicates) == (3, 3)
    assert store.add_many(rows, by="owner") == ([], 6)
    assert [example.id for example in store.approved()] == added
    assert store.approved()[0].decided_by == "owner"


def test_the_side_is_part_of_an_import(store: ExampleStore) -> None:
    sides = [None, "train", "test"]
    added, duplicates = store.add_many([NewExample(PROMPT, "SELECT 1", split=side) for side in sides], by="owner")
    assert (len(added), duplicates) == (3, 0)
    assert [example.split for example in store.listing()] == sides[::-1]


def test_an_import_can_be_reopened(store: ExampleStore) -> None:
    (added,), _ = store.add_many([NewExample(PROMPT, "SELECT 1", state="approved")], by="owner")
    undone = store.decide(added, "reopened", expected_event=None, by="reviewer")
    assert (undone.state, undone.completion, undone.provenance) == ("pending", "SELECT 1", "imported")


def test_ten_thousand_rows_are_added_and_listed(store: ExampleStore, db: Database) -> None:
    rows = [NewExample(PROMPT, f"SELECT {n}", state="approved") for n in range(10_000)]
    added, _ = store.add_many(rows, by="owner")
    assert [example.id for example in store.approved()] == added
    assert store.listing("approved", limit=3, offset=9_998)[-1].id == added[0]
    assert verify(db).ok
