import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from flywheel import settings as settings_module
from flywheel.errors import ConfigurationError
from flywheel.settings import Settings
from flywheel.tasks.build import build_task, database_of
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from storage.home import Home


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.read({"FLYWHEEL_HOME": str(tmp_path / "home")})


def build(settings: Settings) -> SqlTask | ChatTask:
    return build_task(settings, Home.open(settings.home))


def test_sample_shop_is_written_once(settings: Settings) -> None:
    task = build(settings)
    assert task.outcome("SELECT count(*) FROM orders").rows == [[1500]]
    task.close()
    path = database_of(settings)
    assert isinstance(path, Path)
    written = path.stat().st_mtime_ns
    assert path.parent == settings.home
    assert database_of(settings) == path and path.stat().st_mtime_ns == written
    assert [p.name for p in settings.home.glob("*sample*")] == [path.name]


def test_starter_task_offers_questions(settings: Settings) -> None:
    task = build(settings)
    task.close()
    assert (task.system_prompt, task.single_turn, task.notice) == ("", True, None)
    assert len(task.examples()) >= 3
    assert all(isinstance(question, str) and question for question in task.examples())


def test_starter_says_that_it_knows_one_database(settings: Settings, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "own.duckdb")).execute("CREATE TABLE birds AS SELECT 1 AS n").close()
    task = build(replace(settings, database=str(tmp_path / "own.duckdb")))
    task.close()
    assert "FLYWHEEL_BASE_MODEL" in str(task.notice)
    assert task.examples() == ["How many birds are there?", "What is the average n of the birds?"]


def test_general_model_gets_the_schema(settings: Settings) -> None:
    task = build(replace(settings, base_model="acme/chat-1b"))
    task.close()
    assert not task.single_turn
    assert "customers(customer_id INTEGER" in task.system_prompt


def test_own_system_message_replaces_ours(settings: Settings) -> None:
    sql = build(replace(settings, base_model="acme/chat-1b", system_prompt="Be brief."))
    sql.close()
    chat = build(replace(settings, task="chat", system_prompt="Be brief."))
    assert sql.system_prompt == chat.system_prompt == "Be brief."
    assert chat.messages([])[0]["content"] == "Be brief."


@pytest.mark.parametrize(
    ("name", "blamed"),
    [("nowhere.duckdb", "nowhere.duckdb"), ("mysql://host/db", "mysql://"),
     ("notes.txt", "neither a DuckDB nor a SQLite file")],
)  # fmt: skip
def test_other_databases_are_refused_by_name(settings: Settings, tmp_path: Path, name: str, blamed: str) -> None:
    (tmp_path / "notes.txt").write_text("just some words, long enough")
    database = name if "://" in name else str(tmp_path / name)
    with pytest.raises(ConfigurationError, match="FLYWHEEL_DATABASE") as refused:
        build(replace(settings, database=database))
    assert blamed in str(refused.value)


def test_a_sqlite_file_is_asked_like_any_other(settings: Settings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lite.db")) as lite, lite:
        lite.execute("CREATE TABLE ships (name TEXT, built DATE)")
        lite.execute("INSERT INTO ships VALUES ('Vasa', '1628-08-10')")
    task = build(replace(settings, base_model="acme/sql-1b", database=str(tmp_path / "lite.db")))
    assert isinstance(task, SqlTask) and "ships(name VARCHAR, built DATE)" in task.system_prompt
    outcome = task.outcome("SELECT name FROM ships WHERE year(built) = 1628")
    task.close()
    assert (outcome.rows, outcome.error) == ([["Vasa"]], None)
