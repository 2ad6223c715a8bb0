"""A SQLite file behind the sandbox: what its loosely typed columns become, and that nothing of it is lost."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.tasks.sql_sandbox import SqlSandbox


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a b.db")) as connection:
        yield connection


def filled(lite: sqlite3.Connection, declared: str, values: Sequence[Any]) -> Path:
    with lite:
        lite.execute(f"CREATE TABLE t (n INTEGER PRIMARY KEY, x {declared})")
        lite.executemany("INSERT INTO t (x) VALUES (?)", [(value,) for value in values])
    return Path(lite.execute("PRAGMA database_list").fetchone()[2])


def asked(
    database: Path, statement: str = "SELECT x FROM t ORDER BY n", **how: Any
) -> tuple[dict[str, Any], list[Any]]:
    """The tables, and the rows of a statement."""
    with closing(SqlSandbox(database, **how)) as sandbox:
        tables, result = sandbox.tables(), sandbox.run(statement)
    assert result.error is None and result.accepted, result
    return tables, result.rows


COLUMNS: list[tuple[str, list[Any], str, list[Any]]] = [
    ("INTEGER", [1, None, 2**62], "BIGINT", [1, None, 2**62]),
    ("REAL", [1.5, 2], "DOUBLE", [1.5, 2]),
    ("", [1, 2.5], "DOUBLE", [1, 2.5]),
    ("TEXT", ["007", "é", ""], "VARCHAR", ["007", "é", ""]),
    ("", ["007", 7], "VARCHAR", ["007", "7"]),
    ("INTEGER", [1, "many"], "VARCHAR", ["1", "many"]),
    ("DATE", ["2024-02-29", None], "DATE", ["2024-02-29", None]),
    ("DATE", ["2024-02-29 10:00", "2024-03-01"], "VARCHAR", ["2024-02-29 10:00", "2024-03-01"]),
    ("DATE", ["2024-02-31"], "VARCHAR", ["2024-02-31"]),
    ("DATETIME", ["2024-02-29 10:00:01"], "TIMESTAMP", ["2024-02-29T10:00:01"]),
    ("DATETIME", [1700000000], "BIGINT", [1700000000]),
    ("BOOLEAN", [0, 1, None], "BOOLEAN", [False, True, None]),
    ("BOOLEAN", [0, 2], "BIGINT", [0, 2]),
    ("DECIMAL(10,2)", [19.99, 5], "DECIMAL(10,2)", [19.99, 5]),
    ("DECIMAL(10,2)", [0.125], "DOUBLE", [0.125]),
    ("BLOB", [b"\x00\xff"], "BLOB", ["00ff"]),
    ("TEXT", ["a", b"\xff"], "VARCHAR", ["a", "ff"]),
    ("INT", [], "BIGINT", []),
    ("DATE", [], "DATE", []),
    ("NUMERIC(8,2)", [], "DECIMAL(8,2)", []),
]
"""A declaration, values, the type that holds them all, and how they are seen."""


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSandbox]:
    """A table `t<place>` for each of them."""
    path = tmp_path_factory.mktemp("lite") / "columns.db"
    with closing(sqlite3.connect(path)) as lite, lite:
        for place, (declared, values, _, _) in enumerate(COLUMNS):
            lite.execute(f"CREATE TABLE t{place} (n INTEGER PRIMARY KEY, x {declared})")
            lite.executemany(f"INSERT INTO t{place} (x) VALUES (?)", [(value,) for value in values])
    with closing(SqlSandbox(path)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("place", range(len(COLUMNS)))
def test_a_column_has_the_type_that_holds_all_of_it(columns: SqlSandbox, place: int) -> None:
    declared, values, kind, seen = COLUMNS[place]
    assert dict(columns.tables()[f"t{place}"])["x"] == kind, (declared, values)
    assert [row[0] for row in columns.run(f"SELECT x FROM t{place} ORDER BY n").rows] == seen


def test_tables_are_asked_by_any_name_and_views_only_by_theirs(lite: sqlite3.Connection) -> None:
    database = filled(lite, "INT", [1, 2])
    with lite:
        lite.execute('CREATE TABLE "odd ""one" (a)')
        lite.execute("CREATE VIEW v AS SELECT x * 10 AS y FROM t")
    assert set(asked(database)[0]) == {"t", 'odd "one'}
    assert asked(database, "SELECT y FROM v ORDER BY y", tables=["V"])[1] == [[10], [20]]
    with pytest.raises(ConfigurationError, match=r"no table `nope`\. It has: `t`, `odd"):
        SqlSandbox(database, ["nope"])


def test_what_is_written_meanwhile_is_seen_also_in_its_log(lite: sqlite3.Connection) -> None:
    lite.execute("PRAGMA journal_mode = WAL")
    database = filled(lite, "INT", [1])
    with closing(SqlSandbox(database)) as sandbox:
        assert sandbox.run("SELECT count(*) FROM t").rows == [[1]]
        with lite:
            lite.execute("INSERT INTO t (x) VALUES (2)")
        assert sandbox.run("SELECT count(*) FROM t").rows == [[2]]


def test_the_file_is_never_written(lite: sqlite3.Connection) -> None:
    database = filled(lite, "INT", [1])
    before = database.read_bytes()
    with closing(SqlSandbox(database)) as sandbox:
        for statement in ("DELETE FROM t", "DROP TABLE t", f"ATTACH '{database}' AS a", "SELECT * FROM sqlite_master"):
            assert not sandbox.run(statement).accepted
    assert database.read_bytes() == before


def test_a_file_that_is_locked_or_broken_says_so(lite: sqlite3.Connection, tmp_path: Path) -> None:
    database = filled(lite, "INT", [1])
    lite.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match=r"a b\.db"):
        SqlSandbox(database)
    lite.rollback()
    broken = tmp_path / "broken.db"
    broken.write_bytes(database.read_bytes()[:100] + b"\x07" * 4000)
    with pytest.raises(ConfigurationError, match=r"`broken\.db` cannot be read: .* Name a DuckDB or SQLite file"):
        SqlSandbox(broken)


def test_the_command_checks_and_runs_over_a_sqlite_file(lite: sqlite3.Connection, tmp_path: Path) -> None:
    database = filled(lite, "TEXT", ["a", "b"])
    command = [sys.executable, "-m", "flywheel", "sql", "run", "--database", str(database)]
    lines = "".join(json.dumps({"sql": text}) + "\n" for text in ("SELECT max(x) FROM t", "DELETE FROM t"))
    environ = os.environ | {"FLYWHEEL_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, input=lines, capture_output=True, text=True, env=environ, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["rows"], second["accepted"]) == ([["b"]], False)
