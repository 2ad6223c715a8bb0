"""Many statements at once: each is told what it would be told alone, and a costly one costs only itself."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.tasks.sql_many import A_TRIP, many
from flywheel.tasks.sql_sandbox import SqlSandbox
from tests.tasks.conftest import make_shop
from tests.tasks.test_sql_sandbox import alive, child_of

GOOD = [f"SELECT count(*) FROM orders WHERE price > {number}" for number in range(A_TRIP + 20)]
ODD = {
    "SELECT * FROM private": "not among the allowed tables",
    "SELECT nothing FROM orders": 'column "nothing" not found',
    "DROP TABLE orders": "Only a SELECT statement",
    "SELECT 1; SELECT 2": "one statement at a time",
    "SELECT '\ud800'": "half a character",
    "SELECT 'a'::INTEGER": "Could not convert",
    # Whichever of its limits it comes to first.
    "SELECT count(*) FROM range(100000000) a, range(100000000) b": "time|memory",
    # The engine stops neither of these two: the child is ended.
    "SELECT levenshtein(repeat('a', 60000), repeat('b', 60000))": "time",
    "SELECT " + "(" * 4000: "too complex",
}


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[SqlSandbox]:
    sandbox = SqlSandbox(make_shop(tmp_path / "shop.duckdb"), ["orders", "customers"], seconds=0.5)
    yield sandbox
    sandbox.close()


def test_each_of_many_is_told_what_it_is_told_alone(quick: SqlSandbox) -> None:
    listed = [*GOOD[:30], *ODD, *GOOD[30:], "```sql\nSELECT 1\n```"]
    with many(quick) as trying:
        told = dict(zip(listed, trying.tried(listed), strict=True))
        children = [server._child._process.pid for server in trying._servers if server._child is not None]
        assert children and child_of(quick) not in children
    assert {text for text, tried in told.items() if tried.accepted and tried.error is None} == set(listed) - ODD.keys()
    said = {text: f"{told[text].reason} {told[text].error}" for text in ODD}
    assert {text: said[text] for text, words in ODD.items() if not re.search(words, said[text])} == {}
    assert not any(map(alive, children))


def test_a_changed_database_is_seen_by_the_next_ones(tmp_path: Path) -> None:
    import duckdb

    database = make_shop(tmp_path / "shop.duckdb")
    sandbox = SqlSandbox(database)
    with many(sandbox) as trying:
        assert not trying.tried([*GOOD, "SELECT * FROM visits"])[-1].accepted
        with duckdb.connect(str(database)) as connection:
            connection.execute("CREATE TABLE visits AS SELECT 1 AS id")
        last = trying.tried([*GOOD, "SELECT * FROM visits"])[-1]
        assert last.accepted and last.error is None
    sandbox.close()
