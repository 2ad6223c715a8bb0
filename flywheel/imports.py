"""Examples from files: the good rows are kept, each bad one is named with its line and its reason.

Reads bytes that came from a stranger: nothing of them is trusted, and nothing of them is run except an SQL statement
that comes approved, in the sandbox. Importing the same file again adds nothing. A file is read row by row and stored in
batches, so that it may be larger than the memory; an import that was cut is taken up by importing the file again.
"""

import io
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from flywheel import parquet, readers
from flywheel.errors import InvalidInput
from flywheel.formats import FORMATS, READ_ONLY, Pair, format_of, from_row
from flywheel.roles import Principal, Role, require
from flywheel.rows import why_unusable
from flywheel.splitting import SIDES
from flywheel.tasks.build import Task
from flywheel.validity import Rules
from flywheel.words.catalogue import say
from storage.examples import ExampleStore, NewExample

MOST_BYTES = 50 * 1000 * 1000
"""Of an upload; a file that a command names has no such limit."""
MOST_BAD = 10_000
MOST_CHARACTERS = 1_000_000
"""Of one row: longer ones fit no base, and counting their tokens takes minutes."""
BATCH = 2_000
BATCH_CHARACTERS = 20_000_000
"""Rows that are stored at once hold no more, but for the last of them."""
MOST_JUDGED = 10_000
"""Statements of which it is remembered what the database said."""
LOOKED_AT = 1_000
"""Rows that may be bad before the first good one tells the format."""
SUFFIXES = {".jsonl": None, ".json": None, ".ndjson": None, ".csv": "csv", ".parquet": "parquet"}
Opener = Callable[[], AbstractContextManager[IO[bytes]]]
Problems = Callable[[Sequence[str]], list[str | None]]
"""Completions → why each cannot be approved."""


@dataclass(frozen=True)
class Importer:
    """What an import needs: where examples go, and what decides whether a row is one."""

    examples: ExampleStore
    task: Task
    rules: Callable[[], Rules]


@dataclass(frozen=True)
class ImportReport:
    """What became of the rows of one file."""

    added: int
    duplicates: int
    """Rows that were here already, or stood in the file before."""
    bad: list[tuple[int, str]]
    """Line (from 1; of Parquet and JSON lists the row) and reason, in the file's order."""
    format: str


def import_file(importer: Importer, who: Principal, path: Path, **how: Any) -> ImportReport:
    """`importing`, to its end."""
    return finished(importing(importer, who, path, **how))


def finished(work: Generator[float, None, ImportReport]) -> ImportReport:
    """The report of an import that nobody watches."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            report: ImportReport = done.value
            return report


def importing(
    importer: Importer,
    who: Principal,
    path: Path,
    *,
    format: str | None = None,
    split: str | None = None,
    approved: bool = False,
    name: str = "",
) -> Generator[float, None, ImportReport]:
    """Import a file of this machine, of any size; yields how far it is, 0-1. `name` stands for the file where people
    know it by another. Raises InvalidInput naming the file when it cannot be read as a whole."""
    require(who, Role.REVIEWER)
    try:
        if path.is_dir():
            raise InvalidInput(say("error.file.is_folder", path=path))
        if path.exists() and not path.is_file():
            raise InvalidInput(say("error.file.is_device", path=path))
        size = path.stat().st_size
        reading = _Reading(importer, who, name or path.name, size, lambda: path.open("rb"), split, approved)
        return (yield from reading.run(format))
    except FileNotFoundError as error:
        raise InvalidInput(say("error.file.missing", path=path)) from error
    except OSError as error:
        raise InvalidInput(say("error.file.unreadable", path=path, reason=error.strerror)) from error


def import_bytes(
    importer: Importer,
    who: Principal,
    name: str,
    data: bytes,
    *,
    format: str | None = None,
    split: str | None = None,
    approved: bool = False,
) -> ImportReport:
    """Import the content of a file called `name`; `format` None: told from the name and the first row.

    With `approved` the rows need no review (and an SQL completion is executed to see that it works), else they wait in
    the inbox. `split` fixes their side. Raises InvalidInput.
    """
    require(who, Role.REVIEWER)
    _refuse_large(name, len(data))
    reading = _Reading(importer, who, name, len(data), lambda: io.BytesIO(data), split, approved)
    return finished(reading.run(format))


def importing_upload(
    importer: Importer, who: Principal, path: Path, **how: Any
) -> Generator[float, None, ImportReport]:
    """As `importing`, for a file that was uploaded: it may not be larger than MOST_BYTES."""
    require(who, Role.REVIEWER)
    _refuse_large(path.name, path.stat().st_size)
    return (yield from importing(importer, who, path, **how))


def _refuse_large(name: str, size: int) -> None:
    if size > MOST_BYTES:
        told = {"size": f"{size / 1e6:,.0f}", "most": f"{MOST_BYTES / 1e6:.0f}"}
        raise InvalidInput(say("error.import.too_large", name=name, **told))


def _unasked(completions: Sequence[str]) -> list[str | None]:
    return [None] * len(completions)


def _length(pair: Pair) -> int:
    return len(pair.completion) + sum(len(message["content"]) for message in pair.prompt)


class _Reading:
    """One file on its way in."""

    def __init__(
        self,
        importer: Importer,
        who: Principal,
        name: str,
        size: int,
        opener: Opener,
        split: str | None,
        approved: bool,
    ) -> None:
        if split is not None and split not in SIDES:
            raise InvalidInput(say("error.dataset.no_side", side=split))
        self._examples, self._task, self._rules = importer.examples, importer.task, importer.rules()
        self._by, self._name, self._size, self._open = who.id, name, size, opener
        self._split, self._state = split, "approved" if approved else "pending"
        self._good: list[NewExample] = []
        self._judged: dict[str, str | None] = {}
        self._report = ImportReport(0, 0, [], "")

    def run(self, named: str | None) -> Generator[float, None, ImportReport]:
        """Read, judge and store; yields how far it is after each batch."""
        form = self._format(named)
        self._report = replace(self._report, format=form)
        checking = self._task.checking() if self._state == "approved" else nullcontext(_unasked)
        with self._open() as file, checking as problems:
            for some in self._batches(file, form):
                judged = self._judge(some, problems)
                for number, pair in some:
                    self._take(number, pair, judged)
                    if len(self._report.bad) >= MOST_BAD:
                        self._bad(number, say("row.too_many_bad", most=f"{MOST_BAD:,}"))
                        break
                else:
                    self._store(all_but=1)
                    yield min(1.0, file.tell() / max(1, self._size))
                    continue
                break
        if not self._good and not self._report.bad and not self._report.added + self._report.duplicates:
            raise InvalidInput(say("error.import.no_rows", name=self._name))
        self._store()
        return self._report

    def _batches(self, file: IO[bytes], form: str) -> Iterator[list[tuple[int, Pair | str]]]:
        """The rows as far as they are judged without the task: so many that they fit the memory, however long."""
        some: list[tuple[int, Pair | str]] = []
        room = BATCH_CHARACTERS
        for number, row in self._rows(file, form):
            some.append((number, read := self._read(row, form)))
            room -= _length(read) if isinstance(read, Pair) else 0
            if len(some) == BATCH or room <= 0:
                yield some
                some, room = [], BATCH_CHARACTERS
        if some:
            yield some

    def _format(self, named: str | None) -> str:
        known = (*FORMATS, *READ_ONLY)
        if named is not None:
            if named not in known:
                raise InvalidInput(say("error.import.no_format", form=named, known=", ".join(f"`{f}`" for f in known)))
            return named
        suffix = Path(self._name).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidInput(say("error.import.no_suffix", name=self._name, known=", ".join(SUFFIXES)))
        if by_suffix := SUFFIXES[suffix]:
            return by_suffix
        with self._open() as file:
            rows = islice(self._rows(file, "prompt-completion"), LOOKED_AT)
            return format_of(next((row for _, row in rows if isinstance(row, dict)), {}))

    def _rows(self, file: IO[bytes], form: str) -> readers.Rows:
        suffix = Path(self._name).suffix.lower()
        if form == "parquet" or suffix == ".parquet":
            return parquet.rows_of(file, self._name, self._size)
        return readers.rows_of(file, self._name, self._size, table=form == "csv" or suffix == ".csv")

    def _read(self, row: Any, form: str) -> Pair | str:
        """A row that can be trained on, or why it cannot; a ValueError stands for one that could not even be read."""
        try:
            if isinstance(row, ValueError):
                raise row
            pair = from_row(row, form)
        except ValueError as error:
            return str(error)
        return (self._problem(pair) if pair.label else None) or pair

    def _problem(self, pair: Pair) -> str | None:
        length = _length(pair)
        if length > MOST_CHARACTERS:
            return say("row.too_long", length=f"{length:,}", most=f"{MOST_CHARACTERS:,}")
        return why_unusable(self._task, pair.prompt, pair.completion, self._rules)

    def _judge(self, some: Sequence[tuple[int, Pair | str]], problems: Problems) -> Mapping[str, str | None]:
        """The task's word on the completions. A statement that stands in many rows is executed once."""
        if len(self._judged) >= MOST_JUDGED:
            self._judged.clear()
        wanted = {pair.completion for _, pair in some if isinstance(pair, Pair) and pair.label}
        fresh = sorted(wanted - self._judged.keys())
        self._judged.update(zip(fresh, problems(fresh), strict=True))
        return self._judged

    def _take(self, number: int, pair: Pair | str, judged: Mapping[str, str | None]) -> None:
        if isinstance(pair, str):
            self._bad(number, pair)
        elif not pair.label:
            self._take_wrong(number, pair)
        elif found := judged[pair.completion]:
            self._bad(number, found)
        else:
            self._good.append(self._new(pair))

    def _new(self, pair: Pair) -> NewExample:
        return NewExample(
            pair.prompt,
            pair.completion,
            split=self._split,
            source=f"import:{self._name}",
            state=self._state,
            answer=pair.answer,
            tags=pair.tags,
        )

    def _take_wrong(self, number: int, pair: Pair) -> None:
        """What should not be said belongs to the right answer just before it."""
        last = self._good[-1] if self._good else None
        if last is None or last.answer is not None or list(last.prompt) != pair.prompt:
            self._bad(number, say("row.only_wrong"))
        elif last.completion != pair.completion:
            self._good[-1] = replace(last, answer=pair.completion)

    def _bad(self, number: int, reason: str) -> None:
        self._report.bad.append((number, reason))

    def _store(self, all_but: int = 0) -> None:
        """One transaction a batch: what is stored stays, whatever happens to the rest. The last one may wait for the
        wrong answer after it."""
        whole = self._good[: len(self._good) - all_but]
        added, duplicates = self._examples.add_many(whole, by=self._by)
        self._report = replace(
            self._report, added=self._report.added + len(added), duplicates=self._report.duplicates + duplicates
        )
        self._good = self._good[len(whole) :]
