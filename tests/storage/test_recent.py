"""What is known of the newest rows without asking the engine is what the engine would say."""

import duckdb
import pytest

from storage.chain import Entry
from storage.conversations import ConversationStore
from storage.database import Database
from storage.errors import Missing
from storage.personal import PersonalStore
from storage.recent import MOST_KNOWN, Recent
from storage.transaction import fetch
from storage.versions import VersionStore


@pytest.fixture
def talks(db: Database) -> ConversationStore:
    return ConversationStore(db)


def test_answer_to_a_new_question_asks_the_engine_nothing(
    db: Database, talks: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = talks.start(owner="x", task="sql", by="x")
    asked = talks.add_turn(conversation_id=talk.id, parent_id=None, role="user", content="a", by="x")
    asks: list[str] = []

    def noted(cursor: duckdb.DuckDBPyConnection, sql: str, args: list[object]) -> object:
        asks.append(sql)
        return fetch(cursor, sql, args)

    monkeypatch.setattr("storage.transaction.fetch", noted)
    talks.add_turn(conversation_id=talk.id, parent_id=asked.id, role="assistant", content="b", by="x")
    assert asks == []
    with pytest.raises(Missing):
        talks.add_turn(conversation_id=talk.id, parent_id="0" * 26, role="assistant", content="b", by="x")
    assert len(asks) == 1


def test_erased_row_is_not_known_any_more(db: Database, talks: ConversationStore) -> None:
    talk = talks.start(owner="x", task="sql", by="x")
    PersonalStore(db).erase("x", by="x")
    with pytest.raises(Missing):
        talks.add_turn(conversation_id=talk.id, parent_id=None, role="user", content="a", by="x")


def test_row_of_a_failed_job_is_not_known(db: Database, talks: ConversationStore) -> None:
    made: list[str] = []

    def job(tx: object) -> None:
        made.append(talks.start(owner="x", task="sql", by="x", tx=tx).id)  # type: ignore[arg-type]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        db.write(job, by="x")
    with pytest.raises(Missing):
        talks.add_turn(conversation_id=made[0], parent_id=None, role="user", content="a", by="x")


def test_promotion_is_served_from_its_return_on(db: Database) -> None:
    versions = VersionStore(db)
    made = {"run": 1, "dataset": "d1", "base": "starter", "revision": None, "base_form": "full", "adapter_sha256": "ab"}
    versions.create(**made, by="x")
    served = [versions.served()]
    for kind, version in (("promote", "v1"), ("rollback", "v0")):
        versions.promote(version, kind=kind, override=None, verdict={}, by="x")
        served.append(versions.served())
    assert served == ["v0", "v1", "v0"]


def test_only_the_newest_are_known() -> None:
    recent = Recent()
    entries = [Entry("turns", str(number), "x", "h") for number in range(MOST_KNOWN + 10)]
    recent.committed(entries, [])
    assert not recent.holds("turns", "9") and recent.holds("turns", "10")
    before = recent.changes("turns")
    recent.committed([], [("turns", "10")])
    assert not recent.holds("turns", "10") and recent.changes("turns") != before
