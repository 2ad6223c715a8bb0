import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.conversations import ConversationStore
from storage.database import Database
from storage.home import Home
from storage.ledger import LedgerReport, verify

ROWS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home with one conversation and its turns: ROWS ledger lines."""
    home = Home.open(tmp_path_factory.mktemp("ledger"))
    db = Database.open(home.database, home.ledger_tail)
    store = ConversationStore(db)
    talk = store.start(owner="guest:1", task="sql", by="guest:1")
    for number in range(ROWS - 1):
        store.add_turn(conversation_id=talk.id, parent_id=None, role="user", content=f"question {number}", by="guest:1")
    db.close()
    return home.path


@pytest.fixture
def tampered(original: Path, tmp_path: Path) -> Callable[..., LedgerReport]:
    """Change a copy with plain SQL, behind the writer's back, and verify it."""

    def tamper(*statements: str, keep_tail: bool = True) -> LedgerReport:
        return tampered_copy(original, tmp_path / "copy", statements, keep_tail)

    return tamper


def tampered_copy(original: Path, copy: Path, statements: tuple[str, ...], keep_tail: bool = True) -> LedgerReport:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    home = Home(copy)
    with duckdb.connect(str(home.database)) as connection:
        for statement in statements:
            connection.execute(statement)
    if not keep_tail:
        home.ledger_tail.unlink()
    db = Database.open(home.database, home.ledger_tail)
    try:
        return verify(db)
    finally:
        db.close()


def test_an_untouched_ledger_holds(tampered: Callable[..., LedgerReport]) -> None:
    assert tampered() == LedgerReport(True, ROWS, None, f"All {ROWS} records are as they were written.")


def test_a_changed_row_is_named(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered("UPDATE turns SET content = 'forged' WHERE content = 'question 3'")
    assert (report.ok, report.first_bad_seq) == (False, 5)
    assert report.message == "The row of record 5 in `turns` was changed."


def test_a_deleted_row_is_named(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered("DELETE FROM turns WHERE content = 'question 0'")
    assert (report.first_bad_seq, report.message) == (2, "The row of record 2 is gone from `turns`.")


def test_an_added_row_is_seen(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered("INSERT INTO turns SELECT * REPLACE ('0' AS id) FROM turns WHERE content = 'question 0'")
    assert not report.ok
    assert report.message == "`turns` holds 1 rows that no record of the ledger speaks of."


def test_rows_in_an_unrecorded_table_are_seen(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered("INSERT INTO feedback VALUES ('1', 't', 'up', '[]', '', now(), 'guest:1')")
    assert report.message == "`feedback` holds 1 rows that no record of the ledger speaks of."


def test_a_missing_line_is_named(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered("DELETE FROM ledger WHERE seq = 7")
    assert (report.first_bad_seq, report.message) == (7, "Record 7 is missing from the ledger.")


def test_a_cut_off_end_is_seen_by_the_side_file(tampered: Callable[..., LedgerReport]) -> None:
    report = tampered(
        "DELETE FROM turns WHERE id IN (SELECT row_id FROM ledger WHERE seq > 10)", "DELETE FROM ledger WHERE seq > 10"
    )
    # Opening put the side file aside and reported the loss; what is left holds.
    assert report.ok and report.rows == 10


@settings(max_examples=12, deadline=None)
@given(
    seq=st.integers(1, ROWS),
    column=st.sampled_from(["created", "created_by", "table_name", "row_id", "row_hash", "hash"]),
)
def test_any_changed_ledger_cell_is_found(
    original: Path, tmp_path_factory: pytest.TempPathFactory, seq: int, column: str
) -> None:
    value = "created + INTERVAL 1 microsecond" if column == "created" else f"left({column}, -1) || '~'"
    copy = tmp_path_factory.mktemp("tampered") / "home"
    report = tampered_copy(original, copy, (f"UPDATE ledger SET {column} = {value} WHERE seq = {seq}",))
    assert (report.ok, report.first_bad_seq) == (False, seq)


def test_verifying_does_not_disturb_writers(db: Database) -> None:
    store = ConversationStore(db)
    for _ in range(3):
        store.start(owner="guest:1", task="sql", by="guest:1")
    with db.snapshot() as read:
        store.start(owner="guest:1", task="sql", by="guest:1")
        assert read("SELECT count(*) AS n FROM conversations", [])[0]["n"] == 3
    assert verify(db).rows == 4
