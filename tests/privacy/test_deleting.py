"""What a person has deleted is gone, the ledger proves that nothing else is, and the owner sees what was made of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flywheel.errors import Forbidden, NotFound
from flywheel.exports import WHAT, export_lines
from flywheel.privacy import Privacy
from flywheel.tasks.chat import ChatTask
from storage.database import Database
from storage.home import Home
from storage.ledger import LedgerReport, verify
from storage.personal import NOT_OF_PERSON, OF_PERSON
from storage.versions import VersionStore
from tests.privacy.test_consent import ANN, BOB, corrected
from tests.support.desk import OWNER, REVIEWER, Desk

HIDDEN = "heron"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Ann and Bob have each corrected an answer, and both are in d1."""
    desk = Desk.open(tmp_path / "home", ChatTask())
    for who, word in ((ANN, HIDDEN), (BOB, "stork")):
        Privacy(desk.database, desk.home).choose(who, "yes")
        desk.curation.approve(REVIEWER, corrected(desk, who, word).id)
    desk.datasets.freeze(OWNER)
    corrected(desk, ANN, HIDDEN + "2")
    yield desk
    desk.database.close()


@pytest.fixture
def privacy(desk: Desk) -> Privacy:
    return Privacy(desk.database, desk.home)


def everything(database: Database) -> str:
    """All tables but the frozen rows, as text."""
    tables = [table for table in database.tables if table != "dataset_rows"]
    return "".join(str(database.rows(f'SELECT * FROM "{table}"')) for table in tables)


def test_all_that_was_said_is_gone(desk: Desk, privacy: Privacy) -> None:
    assert HIDDEN in everything(desk.database)
    counts = privacy.delete_own(ANN)
    assert counts == {
        "conversations": 2, "conversation_events": 0, "turns": 4, "feedback": 2, "corrections": 2, "examples": 2,
        "example_events": 3, "example_tags": 0, "pins": 0, "drafts": 0, "votes": 0,
        "comparisons": 0, "notices": 0, "consents": 1,
    }  # fmt: skip
    assert HIDDEN not in everything(desk.database) and "stork" in everything(desk.database)
    report = verify(desk.database)
    assert report.ok and report.erased == sum(counts.values())
    assert privacy.learning(ANN).to_ask
    assert sum(privacy.delete_own(ANN).values()) == 0


def test_neither_the_log_nor_a_later_backup_holds_it(desk: Desk, privacy: Privacy, tmp_path: Path) -> None:
    privacy.delete_own(ANN)
    log = desk.home.database.with_name("flywheel.duckdb.wal")
    assert not log.exists() or HIDDEN.encode() not in log.read_bytes()
    copy = Home.open(tmp_path / "copy")
    desk.database.backup(copy.database)
    with duckdb.connect(str(copy.database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        kept = [t for t in tables if HIDDEN in str(connection.execute(f'SELECT * FROM "{t}"').fetchall())]
    assert kept == ["dataset_rows"]
    reopened = Database.open(copy.database, copy.ledger_tail)
    assert verify(reopened).ok
    reopened.close()


def test_a_frozen_version_stays_and_the_next_is_without_it(desk: Desk, privacy: Privacy) -> None:
    privacy.delete_own(ANN)
    desk.datasets.verify(OWNER, "d1")
    assert [row.withdrawn for row in desk.frozen.rows("d1") if HIDDEN in row.completion] == [True]
    version = desk.datasets.freeze(OWNER).version
    assert version.id == "d2" and HIDDEN not in str(desk.frozen.rows("d2"))
    assert HIDDEN not in "".join(line for what in WHAT for line in export_lines(desk.exporter, OWNER, what=what))
    with pytest.raises(NotFound):
        desk.curation.item(REVIEWER, next(row.example_id for row in desk.frozen.rows("d1") if row.withdrawn))


def tampered(desk: Desk, statement: str) -> LedgerReport:
    """Change the closed file with plain SQL, and verify it."""
    desk.database.close()
    with duckdb.connect(str(desk.home.database)) as connection:
        connection.execute(statement)
    database = Database.open(desk.home.database, desk.home.ledger_tail)
    try:
        return verify(database)
    finally:
        database.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT 1", ""),
        ("DELETE FROM turns WHERE content = 'what is stork'", "is gone from `turns`"),
        ("UPDATE turns SET content = 'else' WHERE content = 'what is stork'", "was changed"),
        ("DELETE FROM erasures WHERE table_name = 'feedback'", "is gone from `feedback`"),
        ("UPDATE erasures SET row_hash = md5('x') WHERE table_name = 'turns'", "was changed, then erased"),
        (
            "INSERT INTO erasures SELECT 'x' || row_id, 'turns', row_id, row_hash, now(), 'x' FROM ledger"
            " WHERE table_name = 'turns' AND row_id IN (SELECT id FROM turns)",
            "was erased, and is there again",
        ),
        (
            "INSERT INTO erasures SELECT 'x' || row_id, table_name, row_id, row_hash, now(), 'x' FROM ledger"
            " WHERE table_name = 'feedback' AND row_id IN (SELECT id FROM feedback); DELETE FROM feedback",
            "rows that no record of the ledger speaks of",
        ),
        (
            "INSERT INTO turns SELECT row_id, 'c', NULL, 'user', 'back', 'complete', NULL, 'page', '{}', now(), 'x'"
            " FROM erasures WHERE table_name = 'turns' LIMIT 1",
            "was erased, and is there again",
        ),
    ],
)  # fmt: skip
def test_an_audit_accepts_exactly_what_was_erased(desk: Desk, privacy: Privacy, statement: str, words: str) -> None:
    privacy.delete_own(ANN)
    report = tampered(desk, statement)
    assert report.ok == (not words) and words in report.message


def test_the_owner_sees_what_would_go_and_nothing_goes(desk: Desk, privacy: Privacy) -> None:
    VersionStore(desk.database).create(
        run=1, dataset="d1", base="b", revision=None, base_form="full", adapter_sha256="0" * 64, by=OWNER.id
    )
    before = desk.database.head
    told = privacy.forget(OWNER, ANN.id, dry_run=True)
    assert desk.database.head == before
    assert (told.datasets, told.versions) == ({"d1": 1}, ["v1"])
    assert told.counts["turns"] == len(told.ids["turns"]) == 4
    done = privacy.forget(OWNER, ANN.id.removeprefix("guest:"))
    assert done.counts == told.counts and done.ids == told.ids and done.user == ANN.id
    assert [(found.version, found.dataset, found.rows) for found in privacy.withdrawn(OWNER)] == [("v1", "d1", 1)]
    with pytest.raises(NotFound, match="Nothing is stored"):
        privacy.forget(OWNER, ANN.id)


def test_only_the_owner_forgets_others(desk: Desk, privacy: Privacy) -> None:
    for who in (BOB, REVIEWER):
        with pytest.raises(Forbidden):
            privacy.forget(who, ANN.id)
        with pytest.raises(Forbidden):
            privacy.withdrawn(who)


def test_a_download_holds_ones_own_and_nobody_elses(desk: Desk, privacy: Privacy) -> None:
    data: dict[str, Any] = json.loads(json.dumps(privacy.own_data(ANN), default=str))
    assert {table: len(data[table]) for table in OF_PERSON} == {
        "conversations": 2, "conversation_events": 0, "turns": 4, "feedback": 2, "corrections": 2, "examples": 2,
        "example_events": 3, "example_tags": 0, "pins": 0, "drafts": 0, "votes": 0,
        "comparisons": 0, "notices": 0, "consents": 1,
    }  # fmt: skip
    assert data["in_dataset_versions"].keys() == {"d1"}
    assert "stork" not in str(data) and BOB.id not in str(data) and REVIEWER.id not in str(data)


def test_every_table_is_either_of_people_or_of_the_project(desk: Desk) -> None:
    assert sorted([*OF_PERSON, *NOT_OF_PERSON]) == sorted(desk.database.tables)


def test_a_job_that_fails_after_erasing_leaves_everything(desk: Desk) -> None:
    def job(tx: Any) -> None:
        talk = tx.value("SELECT id FROM conversations LIMIT 1")
        row = {"id": "0" * 26, "table_name": "conversations", "row_id": talk, "row_hash": "", "created_by": "x"}
        tx.append("erasures", row | {"created": desk.frozen.get("d1").created})  # type: ignore[union-attr]
        tx.erase("conversations", [talk])
        raise LookupError("after it")

    before = everything(desk.database)
    with pytest.raises(LookupError):
        desk.database.write(job, by="x")
    assert everything(desk.database) == before and verify(desk.database).ok
