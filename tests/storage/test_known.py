"""What was read last is given again only while it is true, and a decision never rests on what is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.consents import ConsentStore
from storage.conversations import ConversationStore
from storage.database import Database, Transaction
from storage.errors import Stale
from storage.examples import Example, ExampleStore
from storage.known import MOST, Known

ANN, BOB = "local:reviewer:ann", "local:reviewer:bob"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "flywheel.duckdb", tmp_path / "ledger.tail")
    yield opened
    opened.close()


@pytest.fixture
def example(db: Database) -> Example:
    ConsentStore(db).choose("guest:g", "yes", by="guest:g")
    said = ConversationStore(db)
    conversation = said.start(owner="guest:g", task="chat", by="guest:g").id
    asked = said.add_turn(conversation_id=conversation, parent_id=None, role="user", content="q", by="guest:g")
    return ExampleStore(db).propose(
        provenance="correction", turn_id=asked.id, conversation_id=conversation, by="guest:g",
        prompt=[{"role": "user", "content": "q"}], completion="a", answer="b", version="v0",
    )  # fmt: skip


def test_value_holds_until_its_table_changes(db: Database, example: Example) -> None:
    known: Known[str, int] = Known(db, "examples", "example_events")
    known.put("a", known.stamp(), 1)
    ConsentStore(db).choose("guest:h", "yes", by="guest:h")
    assert known.get("a") == 1 and known.get("b") is None
    ExampleStore(db).decide(example.id, "skipped", expected_event=None, by=ANN)
    assert known.get("a") is None
    for key in range(MOST + 1):
        known.put(str(key), known.stamp(), key)
    assert known.get("0") is None and known.get(str(MOST)) == MOST


def test_decision_after_anothers_is_refused_though_it_was_read_before(db: Database, example: Example) -> None:
    mine, theirs = ExampleStore(db), ExampleStore(db)
    seen = mine.get(example.id)
    assert seen is not None and mine.get(example.id) is seen and not mine.is_held(seen)
    theirs.decide(example.id, "rejected", reason="no", expected_event=seen.event_id, by=BOB)
    with pytest.raises(Stale):
        mine.decide(example.id, "approved", expected_event=seen.event_id, by=ANN)


def test_a_no_is_heard_by_the_next_decision(db: Database, example: Example) -> None:
    store, consents = ExampleStore(db), ConsentStore(db)
    seen = store.get(example.id)
    assert seen is not None and not store.is_held(seen)
    consents.choose("guest:g", "no", by="guest:g")
    with pytest.raises(Stale, match="does not allow learning"):
        store.decide(example.id, "approved", expected_event=seen.event_id, by=ANN)
    consents.choose("guest:g", "yes", by="guest:g")
    assert not store.is_held(seen)

    def job(tx: Transaction) -> None:
        # What was said earlier in the same transaction counts as well.
        consents.choose("guest:g", "no", conversation_id=seen.conversation_id, by="guest:g", tx=tx)
        store.decide(example.id, "approved", expected_event=seen.event_id, by=ANN, tx=tx)

    with pytest.raises(Stale, match="does not allow learning"):
        db.write(job, by=ANN)


def test_two_decisions_in_one_transaction_do_not_both_count(db: Database, example: Example) -> None:
    store = ExampleStore(db)
    seen = store.get(example.id)
    assert seen is not None

    def job(tx: Transaction) -> None:
        store.decide(example.id, "skipped", expected_event=seen.event_id, by=ANN, tx=tx)
        store.decide(example.id, "approved", expected_event=seen.event_id, by=BOB, tx=tx)

    with pytest.raises(Stale):
        db.write(job, by=ANN)
