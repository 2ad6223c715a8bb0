"""Is an answer right? Executes both statements on the sample database and compares what they return.

Knows nothing of the model. Statements run on a read-only connection with a time limit.
"""

import re
import tempfile
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import TracebackType

import duckdb

from starter import database

SECONDS = 5.0
MOST_ROWS = 5000
STATEMENT = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
Result = list[tuple[object, ...]]


def is_sql(answer: str) -> bool:
    """True for a statement, False for an answer in words."""
    return STATEMENT.match(answer) is not None


class Shop:
    """The sample database, opened for comparing; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "shop.duckdb"
        database.build(path)
        self._connection = duckdb.connect(str(path), read_only=True)
        self._connection.execute("SET enable_external_access = false")
        self._seen: dict[str, Result | None] = {}

    def __enter__(self) -> "Shop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.cleanup()

    def result(self, sql: str) -> Result | None:
        """Rows with numbers rounded to 6 digits, or None when the statement fails or takes too long."""
        if sql not in self._seen:
            self._seen[sql] = self._run(sql)
        return self._seen[sql]

    def is_right(self, answer: str, gold: str) -> bool:
        """Same result sets, in the same order where `gold` orders them; words must be the same words."""
        if answer.strip() == gold.strip():
            return True
        if not (is_sql(answer) and is_sql(gold)):
            return False
        got, wanted = self.result(answer), self.result(gold)
        if got is None or wanted is None:
            return False
        return got == wanted if re.search(r"order by", gold, re.IGNORECASE) else Counter(got) == Counter(wanted)

    def _run(self, sql: str) -> Result | None:
        cursor = self._connection.cursor()
        timer = threading.Timer(SECONDS, cursor.interrupt)
        timer.start()
        try:
            rows = cursor.execute(sql).fetchmany(MOST_ROWS)
        except duckdb.Error:
            return None
        finally:
            timer.cancel()
            cursor.close()
        return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: object) -> object:
    return round(float(value), 6) if isinstance(value, float | Decimal) else value
