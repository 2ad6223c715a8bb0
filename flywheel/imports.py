"""Examples from files: the good rows are kept, each bad one is named with its line and its reason.

Reads bytes that came from a stranger: nothing of them is trusted, and nothing of them is run except an SQL statement
that comes approved, in the sandbox. Importing the same file again adds nothing.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.errors import InvalidInput
from flywheel.roles import Principal, Role, require
from flywheel.rows import FORMATS, from_row, shown, why_unusable
from flywheel.splitting import SIDES
from flywheel.tasks.build import Task
from flywheel.validity import Rules
from storage.examples import ExampleStore, NewExample

MOST_BYTES = 50 * 1000 * 1000
SUFFIXES = {".jsonl": None, ".json": None, ".ndjson": None, ".csv": "csv"}
BOM = b"\xef\xbb\xbf"


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
    """Line (from 1) and reason, in the file's order."""
    format: str


def import_file(
    importer: Importer,
    who: Principal,
    path: Path,
    *,
    format: str | None = None,
    split: str | None = None,
    approved: bool = False,
) -> ImportReport:
    """Import a file of this machine. Raises InvalidInput naming the file when it cannot be read as a whole."""
    require(who, Role.REVIEWER)
    try:
        if path.is_dir():
            raise InvalidInput(f"`{path}` is a folder. Name a file in it.")
        if path.exists() and not path.is_file():
            raise InvalidInput(f"`{path}` is a device or a pipe. Write its content to a file and name that.")
        size = path.stat().st_size
        _check_size(path.name, size)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput(
            f"There is no file `{path}`. Check the name, seen from where the app was started."
        ) from error
    except OSError as error:
        raise InvalidInput(f"`{path}` cannot be read ({error.strerror}). Check its rights.") from error
    return import_bytes(importer, who, path.name, data, format=format, split=split, approved=approved)


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
    _check_size(name, len(data))
    if split is not None and split not in SIDES:
        raise InvalidInput(f"There is no side `{split}`. Choose `train`, `validation` or `test`.")
    data = data.removeprefix(BOM)
    format = _format(format, name, data)
    reading = _Reading(importer, format, split, "approved" if approved else "pending", f"import:{name}")
    for number, row in _csv_rows(data) if format == "csv" else _json_rows(data):
        reading.take(number, row)
    if not reading.good and not reading.bad:
        raise InvalidInput(f"`{name}` has no rows. Give a file with one example a line.")
    added, duplicates = importer.examples.add_many(reading.good, by=who.id)
    return ImportReport(len(added), duplicates, reading.bad, format)


class _Reading:
    """Collects the good rows and the bad ones."""

    def __init__(self, importer: Importer, format: str, split: str | None, state: str, source: str) -> None:
        self.good: list[NewExample] = []
        self.bad: list[tuple[int, str]] = []
        self._task = importer.task
        self._rules = importer.rules()
        self._format, self._split, self._state, self._source = format, split, state, source

    def take(self, number: int, row: Any) -> None:
        """Judge one row; a ValueError stands for a row that could not even be read."""
        try:
            if isinstance(row, ValueError):
                raise row
            prompt, completion = from_row(row, self._format)
        except ValueError as error:
            self.bad.append((number, str(error)))
            return
        found = why_unusable(self._task, prompt, completion, self._rules)
        if found is None and self._state == "approved":
            found = self._task.problem(prompt, completion)
        if found:
            self.bad.append((number, found))
            return
        new = NewExample(prompt, completion, split=self._split, source=self._source, state=self._state)
        self.good.append(new)


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise InvalidInput(
            f"`{name}` has {size / 1e6:,.0f} MB, and {MOST_BYTES / 1e6:.0f} MB are taken at once. Split the file."
        )


def _format(named: str | None, name: str, data: bytes) -> str:
    if named is not None:
        if named not in FORMATS:
            raise InvalidInput(f"There is no format `{named}`. Choose one of {', '.join(f'`{f}`' for f in FORMATS)}.")
        return named
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInput(f"`{name}` ends in none of {', '.join(SUFFIXES)}. Name its format, or rename it.")
    if known := SUFFIXES[suffix]:
        return known
    rows = (row for _, row in _json_rows(data) if isinstance(row, dict))
    return "openai" if "messages" in next(rows, {}) else "prompt-completion"


def _json_rows(data: bytes) -> Iterator[tuple[int, Any]]:
    """Each line that is not blank, with its number; a ValueError stands for a line that is no JSON in UTF-8."""
    start = 0
    # Only a line feed ends a line: a JSON text may hold the other characters that str.splitlines() splits at.
    for number, raw in enumerate(data.split(b"\n"), 1):
        if raw.strip():
            yield number, _json(raw, start)
        start += len(raw) + 1


def _json(raw: bytes, start: int) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        return ValueError(f"it is not UTF-8: byte {raw[error.start]:#04x} at offset {start + error.start} of the file")
    except json.JSONDecodeError as error:
        return ValueError(f"it is not one whole JSON object (column {error.colno}: {error.msg})")
    except RecursionError:
        return ValueError("it is nested too deeply")
    except ValueError as error:
        return ValueError(str(error))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key `{shown(twice)}` stands there twice")
    return made


def _no_number(name: str) -> Any:
    raise ValueError(f"it holds `{name}`, which is no JSON")


def _csv_rows(data: bytes) -> Iterator[tuple[int, Any]]:
    """Rows of a table with the columns `prompt` and `completion`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The table is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}. Save it as UTF-8."
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if missing := {"prompt", "completion"} - set(reader.fieldnames or ()):
            raise InvalidInput(f"The table has no column `{min(missing)}`. Its first line must name the columns.")
        for row in reader:
            known = {key: value for key, value in row.items() if key is not None and value is not None}
            yield reader.line_num, known
    except csv.Error as error:
        yield reader.line_num, ValueError(f"it is no table row ({error}); nothing after it was read")
