"""A PostgreSQL database behind the sandbox: what its values become, what is seen of it, and that nothing is written."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.settings import read
from flywheel.tasks import sql_sandbox, sql_source
from flywheel.tasks.build import build_task
from flywheel.tasks.sql_sandbox import SqlSandbox
from storage.home import Home
from tests.support.postgres import Postgres, postgres

SHOP = """
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE DOMAIN price AS numeric(8, 2) CHECK (VALUE >= 0);
    CREATE TABLE "Odd ""one" (id integer PRIMARY KEY, "First name" text);
    INSERT INTO "Odd ""one" VALUES (1, 'Ann'), (2, NULL);
    CREATE TABLE orders (id bigint, placed date) PARTITION BY RANGE (placed);
    CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO orders SELECT n, DATE '2025-07-01' + n::integer FROM generate_series(1, 300) n;
    CREATE VIEW late AS SELECT id FROM orders WHERE id > 298;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM orders;
    CREATE SCHEMA hidden;
    CREATE TABLE hidden.wages (x integer);
    CREATE TABLE secret (word text);
    INSERT INTO secret VALUES ('nobody may read this');
    CREATE TABLE empty ();
    CREATE ROLE reader LOGIN PASSWORD 'p@ss/word';
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    REVOKE SELECT ON secret FROM reader;
"""
COLUMNS: list[tuple[str, list[str], str, list[Any]]] = [
    ("smallint", ["1", "NULL"], "BIGINT", [1, None]),
    ("bigint", ["9223372036854775807"], "BIGINT", [9223372036854775807]),
    ("double precision", ["0.1", "'NaN'", "'-Infinity'"], "DOUBLE", [0.1, "nan", "-inf"]),
    ("boolean", ["true", "false", "NULL"], "BOOLEAN", [True, False, None]),
    ("text", ["''", "NULL", r"'\N'", "'a,\"b\"'", "E'two\\nlines'", "'é😀'"], "VARCHAR",
     ["", None, "\\N", 'a,"b"', "two\nlines", "é😀"]),
    ("varchar(5)", ["'007'"], "VARCHAR", ["007"]),
    ("char(5)", ["'ab'"], "VARCHAR", ["ab"]),
    ("numeric(10, 2)", ["19.99", "-5"], "DECIMAL(10,2)", [19.99, -5.0]),
    ("numeric", ["19.99", "5", "1234567.125"], "DECIMAL(18,3)", [19.99, 5.0, 1234567.125]),
    ("numeric", ["12345678901234567890.5"], "DECIMAL(21,1)", ["12345678901234567890.5"]),
    ("numeric", ["1.5", "'NaN'"], "DOUBLE", [1.5, "nan"]),
    ("price", ["4.50"], "DECIMAL(8,2)", [4.5]),
    ("money", ["12.5"], "DECIMAL(18,2)", [12.5]),
    ("date", ["'2024-02-29'", "'infinity'"], "DATE", ["2024-02-29", "infinity"]),
    ("date", ["'0044-03-15 BC'", "'2024-02-29'"], "VARCHAR", ["0044-03-15 BC", "2024-02-29"]),
    ("timestamp(0)", ["'2024-02-29 10:00:01'"], "TIMESTAMP", ["2024-02-29T10:00:01"]),
    ("timestamptz", ["'2024-02-29 10:00:01+02'"], "TIMESTAMP", ["2024-02-29T08:00:01"]),
    ("time", ["'03:04:05'"], "TIME", ["03:04:05"]),
    ("interval", ["'2 days 03:04:05'"], "INTERVAL", ["2 days, 3:04:05"]),
    ("bytea", [r"'\x00ff'"], "BLOB", ["00ff"]),
    ("uuid", ["'6a0a4ef9-0f5c-4d2e-a7f8-2b1a7c6d5e4f'"], "VARCHAR", ["6a0a4ef9-0f5c-4d2e-a7f8-2b1a7c6d5e4f"]),
    ("jsonb", ["'{\"a\": [1]}'"], "VARCHAR", ['{"a": [1]}']),
    ("mood", ["'bad'"], "VARCHAR", ["bad"]),
    ("integer[]", ["'{1,NULL,3}'"], "BIGINT[]", [[1, None, 3]]),
    ("text[]", ["ARRAY['a,b', 'say \"x\"']"], "VARCHAR[]", [["a,b", 'say "x"']]),
    ("integer[]", ["'{{1,2},{3,4}}'"], "VARCHAR", ["[[1,2],[3,4]]"]),
    ("integer", [], "BIGINT", []),
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        running.execute("CREATE DATABASE shop")
        running.execute(SHOP, "shop")
        running.execute("CREATE DATABASE kinds")
        running.execute("CREATE DOMAIN price AS numeric(8, 2); CREATE TYPE mood AS ENUM ('good', 'bad')", "kinds")
        for place, (declared, values, _, _) in enumerate(COLUMNS):
            running.execute(f"CREATE TABLE t{place} (n serial, x {declared})", "kinds")
            for value in values:
                running.execute(f"INSERT INTO t{place} (x) VALUES ({value})", "kinds")
        yield running


@pytest.fixture(scope="module")
def kinds(server: Postgres) -> Iterator[SqlSandbox]:
    with closing(SqlSandbox(server.url("kinds"))) as sandbox:
        yield sandbox


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is looked at before each statement."""
    monkeypatch.setattr(sql_source, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(sql_source, "LOOK_TIMES", 0)


@pytest.mark.parametrize("place", range(len(COLUMNS)), ids=[column[0] for column in COLUMNS])
def test_a_column_is_told_as_it_was_stored(kinds: SqlSandbox, place: int) -> None:
    _, _, kind, values = COLUMNS[place]
    assert dict(kinds.tables()[f"t{place}"])["x"] == kind
    result = kinds.run(f"SELECT x FROM t{place} ORDER BY n")
    assert (result.error, [row[0] for row in result.rows]) == (None, values)


def test_tables_are_those_that_the_role_may_read(server: Postgres) -> None:
    reader = server.url("shop", "reader", "p%40ss%2Fword")
    with closing(SqlSandbox(reader)) as sandbox:
        assert set(sandbox.tables()) == {'Odd "one', "orders", "totals"}
        assert sandbox.run("SELECT count(*), max(placed) FROM orders").rows == [[300, "2026-04-27"]]
        assert sandbox.run('SELECT "First name" FROM "Odd ""one" ORDER BY id').rows == [["Ann"], [None]]
        assert "`secret`" in sandbox.check("SELECT word FROM secret").reason
    with closing(SqlSandbox(reader, ["LATE"])) as sandbox:
        assert sandbox.run("SELECT id FROM late ORDER BY id").rows == [[299], [300]]
    with pytest.raises(ConfigurationError, match=r"`shop at 127\.0\.0\.1` has no table `secret`\. It has: `Odd"):
        SqlSandbox(reader, ["secret"])


@pytest.mark.usefixtures("always")
def test_what_is_written_meanwhile_is_seen(server: Postgres) -> None:
    server.execute("CREATE DATABASE changing")
    server.execute("CREATE TABLE t AS SELECT 1 AS x", "changing")
    with closing(SqlSandbox(server.url("changing"))) as sandbox:
        assert sandbox.run("SELECT count(*) FROM t").rows == [[1]]
        made_of = sandbox.copied
        assert sandbox.run("SELECT sum(x) FROM t").rows == [[1]] and sandbox.copied == made_of
        for change, seen in (("INSERT INTO t VALUES (2)", 2), ("ALTER TABLE t ADD y text", 2), ("TRUNCATE t", 0)):
            server.execute(change, "changing")
            deadline = time.monotonic() + 20
            while sandbox.copied == made_of and time.monotonic() < deadline:
                result = sandbox.run("SELECT count(*) FROM t")
            assert result.rows == [[seen]], change
            made_of = sandbox.copied
        assert [name for name, _ in sandbox.tables()["t"]] == ["x", "y"]


def test_a_busy_server_is_not_looked_at_for_each_question(server: Postgres) -> None:
    server.execute("CREATE DATABASE busy")
    server.execute("CREATE TABLE t AS SELECT 1 AS x", "busy")
    with closing(SqlSandbox(server.url("busy"))) as sandbox:
        made_of = sandbox.copied
        server.execute("INSERT INTO t VALUES (2)", "busy")
        time.sleep(1.5)
        assert sandbox.run("SELECT count(*) FROM t").rows == [[1]] and sandbox.copied == made_of


def test_the_server_is_never_written_even_by_a_superuser(server: Postgres) -> None:
    before = server.execute("SELECT count(*) FROM orders", "shop")
    with closing(SqlSandbox(server.url("shop"))) as sandbox:
        for statement in ("DELETE FROM orders", "DROP TABLE orders", "SELECT * FROM pg_catalog.pg_authid"):
            assert not sandbox.run(statement).accepted
        held = server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flywheel'")
    assert server.execute("SELECT count(*) FROM orders", "shop") == before
    assert held == [(0,)], "a connection stays open beside the copy"


def test_a_view_that_writes_is_refused_and_writes_nothing(server: Postgres) -> None:
    server.execute("CREATE DATABASE writing")
    server.execute(
        """CREATE TABLE log (x integer); CREATE FUNCTION note() RETURNS integer LANGUAGE sql VOLATILE
        AS 'INSERT INTO log VALUES (1) RETURNING x'; CREATE VIEW noting AS SELECT note() AS x""",
        "writing",
    )
    with pytest.raises(ConfigurationError, match="cannot execute INSERT in a read-only transaction"):
        SqlSandbox(server.url("writing"), ["noting"])
    assert server.execute("SELECT count(*) FROM log", "writing") == [(0,)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (lambda s: s.url("shop", password="wrong-one"), "password authentication failed"),
        (lambda s: s.url("nowhere"), 'database "nowhere" does not exist'),
        (lambda s: s.url("shop").replace(str(s.port), "1"), "Connection refused"),
    ],
    ids=["password", "database", "port"],
)
def test_a_server_that_cannot_be_asked_says_so_without_the_password(server: Postgres, url: Any, words: str) -> None:
    address = url(server)
    with pytest.raises(Unavailable, match="cannot be asked") as caught:
        SqlSandbox(address)
    assert words in str(caught.value) and "FLYWHEEL_DATABASE" in str(caught.value)
    assert server.password not in str(caught.value) and "wrong-one" not in str(caught.value)


def test_tables_that_take_too_long_to_copy_are_said_to_be_too_large(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_sandbox, "COPY_SECONDS", 0.01)
    with pytest.raises(Unavailable, match=r"tables of `shop at 127\.0\.0\.1` could not be copied within 0 minutes"):
        SqlSandbox(server.url("shop"))


def test_an_address_that_is_none_is_refused_without_the_password() -> None:
    with pytest.raises(ConfigurationError, match="no address that PostgreSQL's client can read") as caught:
        SqlSandbox("postgresql://ann:p%zzword@host:port/shop")
    assert "zzword" not in str(caught.value)


def test_the_task_asks_a_postgresql_database(server: Postgres, tmp_path: Path) -> None:
    settings = read({"FLYWHEEL_HOME": str(tmp_path), "FLYWHEEL_DATABASE": server.url("shop")})
    with closing(build_task(settings, Home.open(tmp_path))) as task:
        result = task.outcome("SELECT count(*) FROM orders")
    assert result is not None and result.rows == [[300]]


def test_the_command_runs_over_a_postgresql_database(server: Postgres, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"sql": text}) + "\n" for text in ("SELECT max(id) FROM orders", "DELETE FROM orders"))
    environ = os.environ | {"FLYWHEEL_HOME": str(tmp_path / "home"), "PGPASSWORD": server.password}
    address = f"postgresql://postgres@127.0.0.1:{server.port}/shop"
    command = [sys.executable, "-m", "flywheel", "sql", "run", "--database", address]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, env=environ, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["rows"], second["accepted"]) == ([[300]], False)
