"""`sql check` and `sql run`: one JSON object in per line, one out, in order. Knows no arguments and no terminal."""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from flywheel.tasks.sql_sandbox import SqlSandbox

NOT_JSON = 'The line is not a JSON object with a text under "sql".'


def check_lines(
    lines: Iterable[str], database: Path | str, tables: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """For each line {"sql"} the guard's {"accepted", "reason"}; nothing is executed."""
    with closing(SqlSandbox(database, tables)) as sandbox:
        for line in lines:
            sql = _sql(line)
            if sql is None:
                yield {"accepted": False, "reason": NOT_JSON}
                continue
            verdict = sandbox.check(sql)
            yield {"accepted": verdict.accepted, "reason": verdict.reason}


def run_lines(
    lines: Iterable[str], database: Path | str, tables: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """As `check_lines`, and the accepted ones are run: adds "columns", "rows", "truncated", "error"."""
    with closing(SqlSandbox(database, tables)) as sandbox:
        for line in lines:
            sql = _sql(line)
            if sql is None:
                nothing: dict[str, Any] = {"columns": [], "rows": [], "truncated": False, "error": None}
                yield {"accepted": False, "reason": NOT_JSON, **nothing}
                continue
            result = sandbox.run(sql)
            yield {
                "accepted": result.accepted,
                "reason": result.reason,
                "columns": result.columns,
                "rows": result.rows,
                "truncated": result.truncated,
                "error": result.error,
            }


def _sql(line: str) -> str | None:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        return None
    sql = given.get("sql") if isinstance(given, dict) else None
    return sql if isinstance(sql, str) else None
