import json
from pathlib import Path

import pytest

from flywheel.errors import ConfigurationError
from flywheel.tasks.sql_commands import check_lines, run_lines

LINES = [
    '{"sql": "SELECT count(*) FROM orders"}',
    '{"sql": "DROP TABLE orders"}',
    "not JSON",
    "",
    '{"query": "SELECT 1"}',
    '{"sql": 1}',
    "[" * 100_000,
    '{"sql": "SELECT \'\\ud800\'"}',
    '{"sql": "```sql\\nSELECT 1 AS one;\\n```"}',
]
ACCEPTED = [True, False, False, False, False, False, False, False, True]


def test_check_answers_every_line_in_order(shop: Path) -> None:
    said = list(check_lines(LINES, shop, None))
    assert [one["accepted"] for one in said] == ACCEPTED
    assert all(set(one) == {"accepted", "reason"} and one["accepted"] == (one["reason"] == "") for one in said)


def test_run_adds_what_came_out(shop: Path) -> None:
    said = list(run_lines([line + "\n" for line in LINES], shop, ["orders"]))
    assert [one["accepted"] for one in said] == ACCEPTED
    assert [one["rows"] for one in said if one["accepted"]] == [[[1500]], [[1]]]
    assert all(set(one) == {"accepted", "reason", "columns", "rows", "truncated", "error"} for one in said)
    assert json.loads(json.dumps(said)) == said


def test_costly_statement_is_accepted_and_ends(shop: Path) -> None:
    line = json.dumps({"sql": "SELECT count(*) FROM range(10000000) a, range(10000000) b"})
    assert [one["accepted"] for one in check_lines([line], shop, None)] == [True]
    assert [one["error"] for one in run_lines([line], shop, None)] == ["time"]


def test_wrong_database_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no database file"):
        list(check_lines(LINES, tmp_path / "none.duckdb", None))
