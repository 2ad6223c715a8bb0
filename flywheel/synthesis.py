"""Synthetic pairs: a teacher writes questions with answers, and what passes every check waits for review.

From approved rows, from documents, or from the database's tables. Each answer is kept before it is used, so a run that
broke off goes on without paying twice. Nothing is approved here; a freeze takes no more of these rows than of others.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flywheel.errors import InvalidInput, Unavailable
from flywheel.neighbours import normalise
from flywheel.roles import Principal, Role, require
from flywheel.rows import why_unusable
from flywheel.steps import Step
from flywheel.synthesis_journal import Journal, Paid
from flywheel.synthesis_prompts import as_examples, filled, pieces, prompt_of, read_pairs
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlTask
from flywheel.teacher import Teacher, Unanswered
from flywheel.validity import Rules
from flywheel.words.below import words_of
from flywheel.words.catalogue import say
from storage.examples import ExampleStore, NewExample
from storage.home import Home

A_REQUEST = 5
"""Pairs asked for at once."""
MOST_REFUSALS = 5
"""One after the other: then the rest is not asked."""
MOST_DOCUMENT = 5_000_000
"""Bytes of one."""
MOST_DOCUMENTS = 100
WARMTH = 0.8


@dataclass(frozen=True)
class Wish:
    """What is to be made. The same wish again goes on where it was."""

    source: str = "rows"
    """`rows`, `documents` or `schema`."""
    count: int = 20
    """Rows in all, those of earlier runs of the same wish included."""
    seed_rows: int = 4
    """Approved rows that stand in each request."""
    documents: Sequence[str] = ()
    calls: int = 100
    """Most requests that are paid in this run."""
    tokens: int = 200_000
    """Most tokens of questions and answers in this run; the request under way is the last one."""
    seed: int = 0
    prompt: str | None = None
    """In place of the prompt's file."""


@dataclass
class Made:
    """What became of a run."""

    source: str
    teacher: str
    added: int = 0
    """Rows that wait for review now."""
    before: int = 0
    """Rows of the same wish that earlier runs had made."""
    calls: int = 0
    replayed: int = 0
    """Answers that were paid by an earlier run and used now."""
    tokens: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """Why a pair is no row → how many."""
    stopped: str = ""
    """Why it ended before the count was reached; empty when it was."""
    failed: bool = False
    """The teacher failed. What was made is kept."""


class Synthesis:
    """Makes synthetic pairs in one home."""

    def __init__(
        self, teacher: Teacher, examples: ExampleStore, task: Task, home: Home, rules: Callable[[], Rules]
    ) -> None:
        self._teacher, self._examples, self._task, self._home, self._rules = teacher, examples, task, home, rules

    @property
    def teacher(self) -> str:
        """The teacher's model; empty when none is configured."""
        return self._teacher.name

    def prompt(self, who: Principal, source: str) -> str:
        """The prompt as it stands, to be looked at. Raises InvalidInput."""
        require(who, Role.REVIEWER)
        return prompt_of(self._home, source)

    def make(self, who: Principal, wish: Wish) -> Generator[Step, None, Made]:
        """Make rows; yields words and how far it is. Raises InvalidInput when there is nothing to begin with; when the
        teacher fails on the way it returns what was made."""
        require(who, Role.REVIEWER)
        if not self.teacher:
            self._teacher.complete([])
        if not 1 <= wish.count <= 100_000 or wish.calls < 1 or wish.tokens < 1 or wish.seed_rows < 1:
            raise InvalidInput(say("error.synthesis.bad_count"))
        work = _Work(self, wish, who.id)
        try:
            yield from work.run()
        finally:
            work.journal.compact()
        return work.made


class _Work:
    """One run."""

    def __init__(self, parent: Synthesis, wish: Wish, by: str) -> None:
        self._teacher, self._task, self._examples = parent._teacher, parent._task, parent._examples
        self._wish, self._by, self._rules = wish, by, parent._rules()
        self._prompt = prompt_of(parent._home, wish.source, wish.prompt)
        self._fillings = self._sources()
        told = [wish.source, self._prompt, self._teacher.name, wish.seed, wish.seed_rows, [*map(str, wish.documents)]]
        name = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        self.journal = Journal.open(parent._home.path / "synthesis", name)
        self.made = Made(wish.source, self._teacher.name, before=self.journal.added)
        self._known = {_said(example.prompt) for example in self._examples.listing(None, limit=10_000_000)}
        self._left: Counter[str] = Counter()

    def run(self) -> Generator[Step, None, None]:
        number, refusals = 0, 0
        while not (stop := self._why_stop(number, refusals)):
            total = self.made.before + self.made.added
            yield (
                say("synthesis.writes", teacher=self._teacher.name, total=total, count=self._wish.count),
                total / self._wish.count,
            )
            messages = [{"role": "user", "content": filled(self._prompt, self._filling(number))}]
            number += 1
            key = hashlib.sha256(json.dumps(messages).encode()).hexdigest()
            paid = self.journal.paid.get(key)
            if paid is None:
                try:
                    paid = self._ask(key, messages)
                except Unavailable as error:
                    self.made.failed, stop = True, words_of(error)
                    break
                refusals = 0 if paid.text else refusals + 1
            elif not paid.stored:
                self.made.replayed += 1
            if not paid.stored:
                self._use(key, paid)
        self.made.stopped = "" if stop == "done" else stop
        self.made.left_out = dict(self._left.most_common())

    def _ask(self, key: str, messages: list[dict[str, str]]) -> Paid:
        """One paid request. A refusal is an answer without text."""
        self.made.calls += 1
        try:
            told = self._teacher.ask(messages, temperature=WARMTH)
            paid = Paid(told.tokens, told.text)
        except Unanswered as error:
            self._left[say("synthesis.refused")] += 1
            paid = Paid(error.tokens, None, stored=True)
        self.made.tokens += paid.tokens
        self.journal.write(key, paid)
        return paid

    def _use(self, key: str, paid: Paid) -> None:
        """Store what of an answer passes every check."""
        read = read_pairs(paid.text or "")
        if read.broken:
            self._left[say("synthesis.no_pair")] += read.broken
        room = self._wish.count - self.made.before - self.made.added
        rows: list[NewExample] = []
        for question, answer in read.pairs:
            if len(rows) == room:
                break
            prompt = [{"role": "user", "content": question}]
            if reason := self._problem(prompt, answer):
                self._left[reason] += 1
            else:
                self._known.add(_said(prompt))
                source = f"teacher:{self._teacher.name}:{self._wish.source}"
                text = self._task.completion(answer)
                rows.append(NewExample(prompt, text, provenance="synthetic", source=source))
        added, _ = self._examples.add_many(rows, by=self._by)
        self.made.added += len(added)
        self.journal.write(key, Paid(paid.tokens, None, len(added), True))

    def _problem(self, prompt: list[dict[str, str]], answer: str) -> str | None:
        """Why a pair is no row, without the values in it."""
        if _said(prompt) in self._known:
            return say("synthesis.known")
        answer = self._task.completion(answer)
        if why_unusable(self._task, prompt, answer, self._rules):
            return say("synthesis.unusable")
        if not isinstance(self._task, SqlTask):
            return None
        outcome = self._task.outcome(answer)
        if outcome.sql is None:
            return say("synthesis.no_sql") if self._wish.source == "schema" else None
        if not outcome.accepted:
            return say("synthesis.guarded")
        if outcome.error is not None:
            return say("synthesis.fails")
        empty = not outcome.rows or all(value is None for row in outcome.rows for value in row)
        return say("synthesis.finds_nothing") if empty else None

    def _why_stop(self, number: int, refusals: int) -> str:
        wish, made = self._wish, self.made
        if made.before + made.added >= wish.count:
            return "done"
        if made.calls >= wish.calls:
            return say("synthesis.calls_spent", count=wish.calls)
        if made.tokens >= wish.tokens:
            return say("synthesis.tokens_spent", count=f"{wish.tokens:,}")
        if refusals >= MOST_REFUSALS:
            return say("synthesis.keeps_refusing", teacher=self._teacher.name, count=refusals)
        if wish.source == "documents" and number >= len(self._fillings):
            return say("synthesis.all_parts")
        if number >= len(self.journal.paid) + wish.calls:
            return say("synthesis.no_more")
        return ""

    def _sources(self) -> list[str]:
        """What the requests are about: approved rows one by one, parts of documents, or the tables."""
        source = self._wish.source
        if source == "schema":
            if not isinstance(self._task, SqlTask):
                raise InvalidInput(say("error.synthesis.no_database"))
            return [self._task.schema()]
        if source == "documents":
            if len(self._wish.documents) > MOST_DOCUMENTS:
                raise InvalidInput(say("error.synthesis.too_many_documents", most=MOST_DOCUMENTS))
            found = [piece for name in self._wish.documents for piece in pieces(_text(Path(name)))]
            if not found:
                raise InvalidInput(say("error.synthesis.no_document"))
            return found
        approved = [e for e in self._examples.approved() if e.provenance != "synthetic" and e.split != "test"]
        if not approved:
            raise InvalidInput(say("error.synthesis.no_row"))
        self._seeds = approved
        return []

    def _filling(self, number: int) -> dict[str, str]:
        """What stands in request `number`: the same for the same wish, so that a run goes on where it was."""
        values = {"count": str(A_REQUEST), "call": str(number + 1)}
        if self._wish.source == "rows":
            chance = random.Random(f"{self._wish.seed}-{number}")
            chosen = chance.sample(self._seeds, min(self._wish.seed_rows, len(self._seeds)))
            return values | {"examples": as_examples(chosen)}
        name = "tables" if self._wish.source == "schema" else "text"
        return values | {name: self._fillings[number % len(self._fillings)]}


def _said(prompt: Sequence[dict[str, str]]) -> str:
    return normalise(prompt[-1]["content"]) if prompt else ""


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_DOCUMENT:
            raise InvalidInput(
                say("error.synthesis.document_too_large", path=path.name, most=f"{MOST_DOCUMENT / 1e6:.0f}")
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(say("error.synthesis.document_unreadable", path=path.name, reason=error)) from error
