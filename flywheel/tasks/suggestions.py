"""Questions to begin with, made of the tables that are there. Pure: a schema in, sentences out."""

import re
from collections.abc import Mapping, Sequence

from flywheel.words.catalogue import say

MOST = 4
Columns = Sequence[tuple[str, str]]
TEXT, NUMBER = re.compile(r"VARCHAR|TEXT|ENUM", re.I), re.compile(r"INT|DECIMAL|DOUBLE|FLOAT|REAL|NUMERIC", re.I)
TIME = re.compile(r"DATE|TIMESTAMP", re.I)
KIND = re.compile(r"status|state|type|kind|category|class|group|city|country|region|brand|method|segment|level", re.I)
ONLY_A_NAME = re.compile(r"(?:^|_)(?:id|key|code|zip|phone|number|no|year|month|day|lat|lon|latitude|longitude)$", re.I)


def questions(tables: Mapping[str, Columns]) -> list[str]:
    """At most `MOST` questions of different kinds: a count, a count for each kind, an average, a count over time."""
    made = [
        *_first(tables, TEXT, KIND, "each"),
        *_first(tables, NUMBER, None, "average"),
        *_first(tables, TIME, None, "months"),
    ]
    counts = [say("suggestions.count", table=_words(table)) for table in tables]
    return [*counts[: MOST - len(made)], *made]


def _first(tables: Mapping[str, Columns], kind: re.Pattern[str], name: re.Pattern[str] | None, key: str) -> list[str]:
    """One question of a kind, on the first table with a column for it; none where no column suits."""
    for table, columns in tables.items():
        for column, type_ in columns:
            suits = kind.search(type_) and not ONLY_A_NAME.search(column) and (name is None or name.search(column))
            if suits:
                return [say(f"suggestions.{key}", table=_words(table), column=_words(column))]
    return []


def _words(name: str) -> str:
    """A name of the database as it is said: `order_items` → order items."""
    return name.replace("_", " ").strip() or name
