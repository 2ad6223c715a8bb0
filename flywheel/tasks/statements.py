"""Statements and results as texts and values: is this SQL at all, is its order meant, do two results say the same.

Pure. Nothing here decides what is allowed; the guard does.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = Sequence[Any]

# Nothing that was read as blank or bracket is given back: a page of blanks must not cost its square.
_STATEMENT = re.compile(
    r"""[(\s]*+(?:
        SELECT\b | WITH\s+(?:RECURSIVE\s+)?["\w]+\s*(?:\([^)]*\)\s*)?AS\b | VALUES\s*\(
      | INSERT\s+(?:OR\s+\w+\s+)?INTO\b
      | UPDATE\s+\S+\s+SET\b | DELETE\s+FROM\b | MERGE\s+INTO\b | TRUNCATE\b | COPY\s+\S+\s+(?:TO|FROM)\b
      | (?:DROP|ALTER|CREATE)\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?
        (?:TABLE|VIEW|SCHEMA|DATABASE|INDEX|MACRO|FUNCTION|TYPE|SEQUENCE|SECRET)\b
      | (?:ATTACH|DETACH|INSTALL|LOAD|EXPORT|IMPORT|PRAGMA|EXPLAIN|DESCRIBE|SUMMARIZE|VACUUM|CHECKPOINT|CALL)\s+\S+;?\s*
        (?:$|[('"\w]) | SET\s+\w+\s*=
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# People's words have no FROM in capitals; a misspelt statement still has.
_FROM = re.compile(r"\bFROM\s+[\"\w]|^\s*FROM\s+\w+\s*;?\s*$")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
SIGNIFICANT = 7
"""Digits by which two numbers are compared: one part in a million."""


def looks_like_sql(text: str) -> bool:
    """Whether this is meant as a statement, good or bad, and not as an answer in words."""
    bare = _COMMENTS.sub(" ", text)
    return _STATEMENT.match(bare) is not None or _FROM.search(_QUOTED.sub("''", bare)) is not None


def is_ordered(statement: str) -> bool:
    """Whether the statement itself (not a part in parentheses) has an ORDER BY."""
    depth, outside = 0, []
    for part in re.split(r"([()])", _QUOTED.sub("''", _COMMENTS.sub(" ", statement))):
        depth += {"(": 1, ")": -1}.get(part, 0)
        outside.append(part if depth == 0 else " ")
    return re.search(r"\border\s+by\b", "".join(outside), re.IGNORECASE) is not None


def same_words(one: str, other: str) -> bool:
    """Equal but for case, spacing and marks of punctuation."""
    return _words(one) == _words(other)


def same_rows(one: Sequence[Row], other: Sequence[Row], *, ordered: bool) -> bool:
    """Equal rows, columns in the same order and by value alone; fractions within one part in a million.

    Without `ordered` they may come in any order, each as often as in the other.
    """
    left, right = [_key(row) for row in one], [_key(row) for row in other]
    if (left == right) if ordered else (Counter(left) == Counter(right)):
        return True
    if len(one) != len(other):
        return False
    if not ordered:
        one, other = sorted(one, key=_rank), sorted(other, key=_rank)
    # Two numbers may be close and still round apart; this pass finds such pairs.
    return all(len(a) == len(b) and all(map(_close, a, b)) for a, b in zip(one, other, strict=True))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(_rounded(value) for value in row)


def _rounded(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, str(value))
    # Whole numbers may be ids: those are equal or not.
    return value if isinstance(value, int) else float(f"{value:.{SIGNIFICANT - 1}e}")


def _rank(row: Row) -> list[tuple[bool, float, str]]:
    return [(True, float(f"{value:.3e}"), "") if _is_number(value) else (False, 0.0, str(value)) for value in row]


def _close(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other) and float in (type(one), type(other)):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
