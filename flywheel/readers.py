"""Files of a stranger as rows: line by line, so that a file may be larger than the memory.

A row that could not be read stands there as a ValueError with its reason; what follows it is read all the same. Knows
no format of rows, and no store.
"""

import csv
import json
from collections.abc import Iterator
from typing import IO, Any

from flywheel.errors import InvalidInput
from flywheel.messages import shown
from flywheel.words.catalogue import say

MOST_LINE = 32 * 1000 * 1000
"""Bytes of one line, or of one cell of a table."""
MOST_LIST = 200 * 1000 * 1000
"""Bytes of a file that is one JSON list, which has to be read as a whole."""
MOST_DIGITS = 1000
"""Of a whole number."""
BOM = b"\xef\xbb\xbf"
OTHER_UNICODE = (b"\xff\xfe", b"\xfe\xff")
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the start of a cell."""

COLUMNS = ({"prompt", "completion"}, {"instruction", "output"}, {"chosen", "rejected"})
"""Of these a table has all of one set."""

Rows = Iterator[tuple[int, Any]]
"""Line or number of the row, from 1, with the row or a ValueError."""


def rows_of(file: IO[bytes], name: str, size: int, *, table: bool) -> Rows:
    """Rows of an open file: a table's as dictionaries of texts, else JSON lines, else the entries of a JSON list."""
    head = file.read(4)
    if head.startswith(OTHER_UNICODE):
        raise InvalidInput(say("error.file.utf16", name=name))
    file.seek(3 if head.startswith(BOM) else 0)
    if table:
        yield from _table(file, name)
    elif name.lower().endswith(".json") and _begins_list(file):
        yield from _list(file, name, size)
    else:
        yield from _lines(file)


def defused(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe stands before what would be one."""
    return f"'{text}" if text.lstrip("'").startswith(RISKY) else text


def fused(cell: str) -> str:
    """The text of such a cell."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(RISKY) else cell


def _begins_list(file: IO[bytes]) -> bool:
    start = file.tell()
    first = file.read(4096).lstrip()[:1]
    file.seek(start)
    return first == b"["


def _list(file: IO[bytes], name: str, size: int) -> Rows:
    if size > MOST_LIST:
        raise InvalidInput(
            say("error.file.long_list", name=name, size=f"{size / 1e6:,.0f}", most=f"{MOST_LIST / 1e6:.0f}")
        )
    value = _json(file.read(), 0)
    if isinstance(value, ValueError):
        raise InvalidInput(say("error.file.bad_value", name=name, value=value))
    yield from enumerate(value, 1)


def _lines(file: IO[bytes]) -> Rows:
    """Each line that is not blank. Only a line feed ends one: a JSON text may hold what str.splitlines() splits at."""
    start, number = 0, 0
    while raw := file.readline(MOST_LINE):
        number += 1
        if len(raw) == MOST_LINE and not raw.endswith(b"\n"):
            start += len(raw) + _skip_line(file)
            yield number, ValueError(say("row.longer", most=f"{MOST_LINE / 1e6:.0f}"))
            continue
        if raw.strip():
            yield number, _json(raw.removesuffix(b"\n"), start)
        start += len(raw)


def _skip_line(file: IO[bytes]) -> int:
    skipped = 0
    while raw := file.readline(MOST_LINE):
        skipped += len(raw)
        if raw.endswith(b"\n"):
            break
    return skipped


def _json(raw: bytes, start: int) -> Any:
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return ValueError(say("row.not_utf8_at", byte=f"{raw[error.start]:#04x}", offset=start + error.start))
    except json.JSONDecodeError as error:
        return ValueError(say("row.not_whole", column=error.colno, reason=error.msg))
    except RecursionError:
        return ValueError(say("row.too_deep"))
    except ValueError as error:
        return ValueError(str(error))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(say("row.twice", key=shown(twice)))
    return made


def _int(digits: str) -> int:
    # Python's own words on this speak of a switch that nobody here can turn.
    if len(digits) > MOST_DIGITS:
        raise ValueError(say("row.digits", count=f"{len(digits):,}"))
    return int(digits)


def _no_number(name: str) -> Any:
    raise ValueError(say("row.no_json", what=name))


# Made once: making one ready for each line takes as long as reading a short one.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_int=_int)


def _table(file: IO[bytes], name: str) -> Rows:
    """Rows of a table with a line of names; only the cells that are there, without the apostrophes of `defused`."""
    csv.field_size_limit(MOST_LINE)
    reader = csv.reader(_texts(file), strict=True)
    names: list[str] = []
    try:
        names = next(reader, [])
        if twice := next((column for column in names if names.count(column) > 1), None):
            raise InvalidInput(say("error.file.column_twice", name=name, column=shown(twice)))
        if names and not any(columns <= set(names) for columns in COLUMNS):
            missing = min({"prompt", "completion"} - set(names))
            raise InvalidInput(say("error.file.no_column", column=missing))
        for cells in reader:
            row = dict(zip(names, map(fused, cells), strict=False))
            if any(cells):
                yield reader.line_num, _not_utf8(cells) or row
    except csv.Error as error:
        yield reader.line_num, ValueError(say("row.no_table_row", reason=error))


def _texts(file: IO[bytes]) -> Iterator[str]:
    while raw := file.readline(MOST_LINE):
        yield raw.decode("utf-8", "surrogateescape")


def _not_utf8(cells: list[str]) -> ValueError | None:
    """A byte that is no UTF-8 makes its own row bad, and no other."""
    for cell in cells:
        if not cell.isascii() and (wrong := next((c for c in cell if "\udc80" <= c <= "\udcff"), None)):
            return ValueError(say("row.not_utf8", byte=f"{ord(wrong) - 0xDC00:#04x}"))
    return None
