"""What a model may call while it answers: the SQL of an answer as a function, and whether its words fit the result.

A statement passes the same guard as one that is written as text. Knows no protocol and no server.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from flywheel.tasks.sql import SqlOutcome, SqlTask
from flywheel.tasks.sql_guard import strip_fence

MOST_TOLD_ROWS, MOST_TOLD = 20, 4_000
"""Rows, and characters, of a result that the model reads."""
MOST_SENTENCE = 600
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NUMBER_WORDS = {word: str(number) for number, word in enumerate(SMALL) if word != "one"}
VAGUE = re.compile(
    r"\b(?:\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty\b.*|dozens?|hundreds?|thousands?|millions?|billions?)\b"
)
"""Larger numbers in words are not read, so a sentence that has one is not taken."""


@dataclass(frozen=True)
class Called:
    """One call: what of it was run, and what the model is told."""

    statement: str | None
    """None where nothing could be run."""
    ran: bool
    told: str


@dataclass(frozen=True)
class Tool:
    """A function a model may call. `run` takes the arguments as the model wrote them and never raises."""

    name: str
    description: str
    parameters: dict[str, Any]
    """Its arguments as a JSON schema."""
    hint: str
    """Said to the model at the end of the system message, where the tool is offered."""
    run: Callable[[str], Called]

    @property
    def spec(self) -> dict[str, Any]:
        """As the servers want it."""
        told = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": told}


def sql_tool(task: SqlTask) -> Tool:
    """The SQL of this task as a function."""
    return Tool(
        name="run_sql",
        description="Runs one SELECT statement of DuckDB on the database and returns its result.",
        parameters={
            "type": "object",
            "properties": {"sql": {"type": "string", "description": "one SELECT statement"}},
            "required": ["sql"],
        },
        hint=(
            "Do not write the statement as your answer: call `run_sql` with it. Then say in one sentence what the "
            "result shows, with no number that is not in it."
        ),
        run=lambda arguments: _run(task, arguments),
    )


def told(outcome: SqlOutcome, words: str) -> tuple[SqlOutcome, bool | None]:
    """The outcome with the model's own words over it, where they fit what the statement returned; and whether they do.

    None: there is nothing to compare, since the statement returned nothing or the model said nothing.
    """
    said = " ".join(words.split())
    if not said or outcome.sql is None or not outcome.accepted or outcome.error is not None:
        return outcome, None
    known = set(_numbers_of(outcome))
    fits = len(said) <= MOST_SENTENCE and "```" not in said and not VAGUE.search(said.lower())
    if fits and all(_is_known(number, known) for number in _numbers_in(said)):
        return replace(outcome, sentence=said), True
    return outcome, False


def _run(task: SqlTask, arguments: str) -> Called:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        given = None
    sql = given.get("sql") if isinstance(given, dict) else None
    if not isinstance(sql, str) or not sql.strip():
        return Called(None, False, _error("The arguments are no JSON object with the statement as `sql`."))
    statement = strip_fence(sql)
    outcome = task.outcome(statement)
    if outcome.sql is None:
        return Called(None, False, _error("This is no SQL. Give one SELECT statement."))
    if not outcome.accepted or outcome.error is not None:
        return Called(statement, False, _error(outcome.reason or outcome.sentence or str(outcome.error)))
    return Called(statement, True, _result(outcome))


def _result(outcome: SqlOutcome) -> str:
    rows = outcome.rows[:MOST_TOLD_ROWS]
    while True:
        told = {"columns": outcome.columns, "rows": rows, "row_count": len(outcome.rows)}
        more = {"more": True} if outcome.truncated or len(rows) < len(outcome.rows) else {}
        text = json.dumps({**told, **more}, ensure_ascii=False, default=str)
        if len(text) <= MOST_TOLD or not rows:
            return text[:MOST_TOLD]
        rows = rows[: len(rows) // 2]


def _error(words: str) -> str:
    return json.dumps({"error": words[:500]}, ensure_ascii=False)


def _numbers_in(words: str) -> Iterator[str]:
    """Each number as it is written, and those of the small words for numbers."""
    yield from NUMBER.findall(words)
    yield from (NUMBER_WORDS[word] for word in re.findall(r"[a-z]+", words.lower()) if word in NUMBER_WORDS)


def _numbers_of(outcome: SqlOutcome) -> Iterator[float]:
    """All numbers that the result holds, in values, texts and names, without signs; and how many rows there are."""
    yield float(len(outcome.rows))
    cells = [value for row in outcome.rows for value in row]
    for value in [*outcome.columns, *cells]:
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            yield abs(float(value))
        else:
            for number in NUMBER.findall(str(value)):
                yield from _readings(number)


def _is_known(written: str, known: set[float]) -> bool:
    """As it stands there, or a value with more decimals rounded to the two or more that are written."""
    for value in _readings(written):
        decimals = len(written.rpartition(".")[2]) if "." in written else 0
        if value in known or (decimals >= 2 and any(round(one, decimals) == value for one in known)):
            return True
    return False


def _readings(written: str) -> list[float]:
    """What a number may mean: a comma or a point parts thousands or decimals."""
    found = []
    if re.fullmatch(r"\d+(\.\d+)?|\d{1,3}(,\d{3})+(\.\d+)?", written):
        found.append(float(written.replace(",", "")))
    if re.fullmatch(r"\d+,\d+|\d{1,3}(\.\d{3})+(,\d+)?", written):
        found.append(float(written.replace(".", "").replace(",", ".")))
    return found
