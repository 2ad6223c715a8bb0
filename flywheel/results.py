"""The result of an answer as a table of its own: all its rows, and as a CSV file for a spreadsheet.

Knows the chat service, which says whose answer it is; no page and no route.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from flywheel.chat import Chat
from flywheel.errors import NotFound
from flywheel.roles import Principal
from flywheel.words.catalogue import say

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a text for something to compute."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


class Results:
    """The tables behind one's own answers."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def table(self, who: Principal, turn_id: str) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows, at most 1,000; asked again where fewer were kept. NotFound for a foreign answer too."""
        told = self._chat.answer(who, turn_id).details.get("sql") or {}
        if not told.get("columns"):
            raise NotFound(say("error.chat.no_table"))
        if not told.get("rows_cut"):
            return list(told["columns"]), [list(row) for row in told["rows"]]
        outcome = self._chat.try_sql(who, turn_id, told["sql"])
        return list(outcome.columns), [list(row) for row in outcome.rows]

    def csv(self, who: Principal, turn_id: str) -> str:
        """The table as CSV in which nothing is a formula."""
        columns, rows = self.table(who, turn_id)
        return as_csv(columns, rows)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV with a first line of names. What is missing is empty; lists and structures are JSON.

    A text that a spreadsheet would compute gets an apostrophe before it.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([_cell(str(name)) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    computes = value.lstrip(" ").startswith(FORMULA) and not NUMBER.fullmatch(value)
    return f"'{value}" if computes else value
