from pathlib import Path

import duckdb
import pytest

from storage import migrations
from storage.database import Database
from storage.errors import NewerDatabase
from storage.home import Home
from storage.ledger import verify


def add_note(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute("ALTER TABLE conversations ADD COLUMN note VARCHAR")


def fail_half_way(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute("ALTER TABLE conversations ADD COLUMN lost VARCHAR")
    cursor.execute("SELECT * FROM nowhere")


def reopen(home: Home) -> Database:
    return Database.open(home.database, home.ledger_tail)


def started(home: Home) -> None:
    from storage.conversations import ConversationStore

    database = reopen(home)
    ConversationStore(database).start(owner="guest:1", task="sql", title="kept", by="guest:1")
    database.close()


def test_every_table_has_an_id_and_no_other_key(db: Database) -> None:
    keys = db.rows("SELECT table_name, constraint_type, constraint_column_names AS on FROM duckdb_constraints()"
                   " WHERE constraint_type <> 'NOT NULL'")  # fmt: skip
    found = {row["table_name"]: (row["constraint_type"], row["on"]) for row in keys}
    assert set(db.tables) == set(found) - {migrations.LEDGER, migrations.MIGRATIONS}
    assert all(found[table] == ("PRIMARY KEY", ["id"]) for table in db.tables)
    assert db.value("SELECT count(*) FROM duckdb_indexes()") == 0


def test_a_new_step_keeps_rows_and_ledger(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started(home)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, add_note])
    database = reopen(home)
    assert database.rows("SELECT title, note FROM conversations") == [{"title": "kept", "note": None}]
    assert verify(database).ok
    database.close()


def test_the_file_before_a_step_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started(home)
    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", [*steps, add_note])
    reopen(home).close()
    (kept,) = home.path.glob(f"flywheel.duckdb.before-step-{len(steps) + 1}-*")
    monkeypatch.setattr(migrations, "STEPS", steps)
    old = Database.open(kept, home.path / "tail-of-the-old")
    assert old.value("SELECT title FROM conversations") == "kept"
    old.close()


def test_a_failed_step_leaves_the_old_shape(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started(home)
    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", [*steps, fail_half_way])
    with pytest.raises(duckdb.CatalogException):
        reopen(home)
    monkeypatch.setattr(migrations, "STEPS", steps)
    database = reopen(home)
    assert database.row("SELECT * FROM conversations").keys() >= {"title"}  # type: ignore[union-attr]
    assert "lost" not in (database.row("SELECT * FROM conversations") or {})
    database.close()


def test_a_newer_database_is_refused_in_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", [*steps, add_note])
    reopen(home).close()
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(NewerDatabase, match=f"at step {len(steps) + 1}, this Flywheel knows {len(steps)}"):
        reopen(home)


def test_another_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "flywheel.duckdb"
    path.write_text("not a database at all" * 400)
    with pytest.raises(Exception, match=r"is damaged .*not a valid DuckDB"):
        Database.open(path, tmp_path / "tail")
    assert path.read_text() == "not a database at all" * 400
