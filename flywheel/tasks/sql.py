"""The task `sql`: a question becomes one SELECT, which the sandbox runs and a plain sentence sums up.

What a model wrote is trusted no more than what a stranger typed: everything goes through the guard. An answer in words
(a refusal, small talk) is an answer too. Knows neither conversations nor pages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flywheel.errors import PUBLIC
from flywheel.tasks import sentence, sql_errors
from flywheel.tasks.sql_guard import strip_fence
from flywheel.tasks.sql_many import Tried, many
from flywheel.tasks.sql_sandbox import SqlResult, SqlSandbox
from flywheel.tasks.statements import is_ordered, looks_like_sql, same_rows, same_words
from flywheel.words.below import words_of

Message = dict[str, str]
PROMPT = """You answer questions about a database by writing SQL for DuckDB.
Answer with one SELECT statement and nothing else: no explanation, no code fence.
If the question cannot be answered from these tables, or asks to change data, say so in one sentence instead.

Tables:
{tables}"""


@dataclass(frozen=True)
class SqlOutcome:
    """What became of an answer. `rows` hold JSON values, at most 1,000; `error` is `time`, `memory` or a sentence."""

    sql: str | None
    """The statement; None when the answer is in words, which `sentence` then holds."""
    accepted: bool
    reason: str
    """Why the guard refused it; empty when it did not."""
    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    truncated: bool = False
    """The result had more rows."""
    error: str | None = None
    sentence: str = ""


class SqlTask:
    """Questions to one database, answered by SQL that is executed."""

    name = "sql"
    answer_tokens, answer_seconds = 256, 60.0
    """How long an answer may be where nobody says otherwise."""
    reasons: tuple[tuple[str, str], ...] = (
        ("misunderstood", "Misunderstood the question"),
        ("wrong_data", "Wrong table or column"),
        ("wrong_filter", "Wrong filter or period"),
        ("wrong_sum", "Wrong numbers or order"),
        ("should_answer", "Should have answered"),
        ("should_refuse", "Should have refused"),
        ("other", "Something else"),
    )

    def __init__(
        self,
        sandbox: SqlSandbox,
        *,
        system_prompt: str,
        single_turn: bool,
        examples: Sequence[str],
        notice: str | None = None,
    ) -> None:
        """Takes the sandbox over and closes it. `single_turn`: the model reads the last question alone."""
        self.system_prompt, self.single_turn = system_prompt, single_turn
        self.notice = notice
        self._sandbox, self._examples = sandbox, list(examples)

    def messages(self, history: Sequence[Message]) -> list[Message]:
        """What the model is sent for a conversation that ends with a question."""
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, *(history[-1:] if self.single_turn else history)]

    def completion(self, text: str) -> str:
        """A corrected answer as an example holds it: the bare statement, or the words."""
        return strip_fence(text)

    def outcome(self, text: str) -> SqlOutcome:
        """Run an answer. Never raises for what the answer says; trouble is in `reason`, `error` and `sentence`."""
        statement = strip_fence(text)
        if not looks_like_sql(statement):
            return SqlOutcome(None, False, "", sentence=statement)
        result = self._run(statement)
        return SqlOutcome(
            statement,
            result.accepted,
            result.reason,
            result.columns,
            result.rows,
            result.truncated,
            result.error,
            self._sentence(statement, result),
        )

    def problem(self, prompt: Sequence[Message], completion: str) -> str | None:
        """Why this completion cannot be approved: the guard refuses it or the database does. Words are fine."""
        statement = strip_fence(completion)
        if not looks_like_sql(statement):
            return None
        return self._why_not(statement, self._run(statement))

    @contextmanager
    def checking(self) -> Iterator[Callable[[Sequence[str]], list[str | None]]]:
        """`problem` of many completions at once, for as long as an import takes."""

        def problems(completions: Sequence[str]) -> list[str | None]:
            bare = [strip_fence(completion) for completion in completions]
            statements = [text for text in dict.fromkeys(bare) if looks_like_sql(text)]
            found = dict(zip(statements, trying.tried(statements), strict=True))
            return [self._why_not(text, found[text]) if text in found else None for text in bare]

        with many(self._sandbox) as trying:
            yield problems

    def _why_not(self, statement: str, result: SqlResult | Tried) -> str | None:
        if not result.accepted:
            return result.reason
        return None if result.error is None else sql_errors.explain(result.error, statement, self._tables())

    def correct(self, prediction: str, reference: str) -> bool:
        """Whether a prediction gives the reference's result: the same rows, in the same order where the reference
        orders them. Words are compared as words; words for SQL, or SQL for words, is wrong."""
        given, wanted = strip_fence(prediction), strip_fence(reference)
        if given == wanted:
            return True
        if looks_like_sql(given) != looks_like_sql(wanted):
            return False
        if not looks_like_sql(wanted):
            return same_words(given, wanted)
        mine, theirs = self._run(given), self._run(wanted)
        if not (_ran(mine) and _ran(theirs)) or mine.truncated != theirs.truncated:
            return False
        return same_rows(mine.rows, theirs.rows, ordered=is_ordered(wanted))

    def grade(self, prediction: str, reference: str) -> float:
        """What an answer is worth to a score: right or wrong, nothing between."""
        return float(self.correct(prediction, reference))

    def examples(self) -> list[str]:
        """Questions for the first visit."""
        return list(self._examples)

    def schema(self) -> str:
        """The tables that may be asked, each with its columns, a line each."""
        return table_lines(self._tables())

    def close(self) -> None:
        """End the sandbox. Safe to call twice."""
        self._sandbox.close()

    def _run(self, statement: str) -> SqlResult:
        try:
            return self._sandbox.run(statement)
        except PUBLIC as error:
            # The database was moved away while the app runs: the answer stands, with the reason beside it.
            return SqlResult(False, words_of(error), error=words_of(error))

    def _sentence(self, statement: str, result: SqlResult) -> str:
        if _ran(result):
            return sentence.of_rows(result.columns, result.rows, result.truncated)
        if not result.accepted:
            return sentence.of_refusal(sql_errors.refusal(result.reason, self._tables()))
        return sql_errors.explain(result.error or "", statement, self._tables())

    def _tables(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        try:
            return self._sandbox.tables()
        except PUBLIC:
            return {}


def schema_prompt(tables: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The system message that tells a general model these tables: name → (column, type)."""
    return PROMPT.format(tables=table_lines(tables))


def table_lines(tables: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """`name(column type, …)`, a line each."""
    lines = [f"{name}({', '.join(f'{column} {kind}' for column, kind in columns)})" for name, columns in tables.items()]
    return "\n".join(lines)


def _ran(result: SqlResult) -> bool:
    return result.accepted and result.error is None
