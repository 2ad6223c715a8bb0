"""The plain sentence over a query's result: it says what the result holds and nothing that it does not.

Knows no question and no database. Every value stands as the database gave it; the only number added is how many rows
there are.
"""

from collections.abc import Sequence
from typing import Any

from flywheel.tasks.heads import head
from flywheel.words.catalogue import say

MOST_CELL = 80
"""Characters of a text that are quoted."""
MOST_CELLS = 6
NUMERIC = "0123456789.,-+"


def of_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], truncated: bool) -> str:
    """What a result says: `rows` has one value for each of `columns`; `truncated` means there were more rows."""
    if not rows:
        return say("sentence.none")
    if len(rows) == 1 and not truncated:
        return _of_one(columns, rows[0])
    first = cell(rows[0][0]) if len(columns) == 1 else _pairs(columns, rows[0])
    told = {"count": len(rows), "first": first}
    return _stopped(say("sentence.more", **told) if truncated else say("sentence.rows", **told))


def of_refusal(reason: str) -> str:
    """Why a statement was not run."""
    return _stopped(say("sentence.refused", reason=reason))


def cell(value: Any) -> str:
    """One value in words; numbers keep every digit they have."""
    if value is None:
        return say("sentence.nothing")
    if isinstance(value, bool):
        return say("sentence.yes") if value else say("sentence.no")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = " ".join(str(value).split())
    # A number cut in the middle would be another number.
    return text if len(text) <= MOST_CELL else text[: MOST_CELL - 1].rstrip(NUMERIC) + "…"


def _of_one(columns: Sequence[str], row: Sequence[Any]) -> str:
    if len(columns) > 1:
        return _stopped(_pairs(columns, row))
    return say("sentence.empty") if row[0] is None else _stopped(say("sentence.is", value=cell(row[0])))


def _pairs(columns: Sequence[str], row: Sequence[Any]) -> str:
    pairs = [f"{head(name)}: {cell(value)}" for name, value in zip(columns, row, strict=True)]
    shown = ", ".join(pairs[:MOST_CELLS])
    return say("sentence.and_more", pairs=shown) if len(pairs) > MOST_CELLS else shown


def _stopped(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else text + "."
