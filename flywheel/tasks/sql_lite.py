"""Copies the tables of an SQLite file into the sandbox's own DuckDB file; a part of the child program `sql_child`.

SQLite lets any column hold anything, whatever its declaration says. So a column gets the type that its declaration
names only where every value has it, else the narrowest that holds them all as they are. Knows the standard library and
an open DuckDB connection.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

MARK = b"SQLite format 3\x00"
"""The first bytes of every SQLite file."""
ROWS = 10_000
"""Read and written at once."""
HELD = {"integer": "BIGINT", "real": "DOUBLE", "blob": "BLOB", "text": "VARCHAR"}
LISTED = """SELECT name, type FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid"""
AFFINITY = (("INT", "BIGINT"), ("CHAR|CLOB|TEXT", "VARCHAR"), ("BLOB", "BLOB"), ("REAL|FLOA|DOUB|NUM|DEC", "DOUBLE"))
"""What an empty column becomes, by its declaration; the first that fits."""


def is_sqlite(path: str) -> bool:
    """Whether this file is of SQLite."""
    with Path(path).open("rb") as file:
        return file.read(len(MARK)) == MARK


def copy_tables(source: str, target: Any, wanted: list[str] | None) -> dict[str, Any]:
    """Copy tables (None: all but views) into `target`: {"tables": {name: [[column, type], …]}, "missing": […]}."""
    with closing(sqlite3.connect(f"{Path(source).as_uri()}?mode=ro", uri=True)) as lite:
        lite.text_factory = lambda raw: raw.decode("utf-8", "replace")
        kinds = dict(lite.execute(LISTED).fetchall())
        bases = [name for name, kind in kinds.items() if kind == "table"]
        by_name = {name.lower(): name for name in kinds}
        missing = [name for name in wanted or () if name.lower() not in by_name]
        if missing:
            return {"tables": {}, "missing": missing, "existing": bases}
        names = bases if wanted is None else [by_name[name.lower()] for name in wanted]
        return {"tables": {name: _copied(lite, target, name) for name in dict.fromkeys(names)}, "missing": []}


def _copied(lite: sqlite3.Connection, target: Any, name: str) -> list[list[str]]:
    table = _quoted(name)
    # Hidden columns (2, 3) are generated ones that hold values like any other; 1 is a virtual table's own.
    columns = [(row[1], row[2].upper()) for row in lite.execute(f"PRAGMA table_xinfo({table})") if row[6] != 1]
    listed = ", ".join(_quoted(column) for column, _ in columns)
    held = [_held(lite, table, column, declared) for column, declared in columns]
    parts = [f"{_quoted(column)} {kind}" for (column, _), kind in zip(columns, held, strict=True)]
    target.execute(f"CREATE TABLE main.{table} ({', '.join(parts)})")
    for rows in _rows(lite, f"SELECT {listed} FROM {table}", held):
        with target.appender(table) as appender:
            appender.append_rows(rows)
    for (column, declared), kind in zip(columns, held, strict=True):
        _narrow(target, table, _quoted(column), declared, kind)
    return [[row[0], row[1]] for row in target.execute(f"DESCRIBE main.{table}").fetchall()]


def _held(lite: sqlite3.Connection, table: str, column: str, declared: str) -> str:
    """The type that holds all values as they are."""
    found = {row[0] for row in lite.execute(f"SELECT DISTINCT typeof({_quoted(column)}) FROM {table}")} - {"null"}
    if not found:
        return next((kind for words, kind in AFFINITY if re.search(words, declared)), "VARCHAR")
    if found == {"integer", "real"}:
        return "DOUBLE"
    return HELD[found.pop()] if len(found) == 1 else "VARCHAR"


def _rows(lite: sqlite3.Connection, query: str, held: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    texts = [place for place, kind in enumerate(held) if kind == "VARCHAR"]
    cursor = lite.execute(query)
    while rows := cursor.fetchmany(ROWS):
        yield [_row(row, texts) for row in rows] if texts else rows


def _row(row: tuple[Any, ...], texts: list[int]) -> tuple[Any, ...]:
    cells = list(row)
    for place in texts:
        value = cells[place]
        if value is not None and not isinstance(value, str):
            cells[place] = value.hex() if isinstance(value, bytes) else str(value)
    return tuple(cells)


def _narrow(target: Any, table: str, column: str, declared: str, held: str) -> None:
    """Give a column the type of its declaration, where every value is one."""
    kind = _declared(declared, held)
    if kind is None:
        return
    read = f"TRY_CAST({column} AS {kind})"
    # Nothing may be lost: a day with a time behind it is no date, and a number comes out of a decimal as it went in.
    same = {
        "BOOLEAN": f"{column} IN (0, 1)",
        "DATE": f"{read}::VARCHAR = {column}",
        "TIMESTAMP": f"{read} IS NOT NULL",
    }.get(kind, f"{read}::DOUBLE = {column}")
    fits = target.execute(
        f"SELECT bool_and(coalesce({same}, false)) FROM main.{table} WHERE {column} IS NOT NULL"
    ).fetchall()[0][0]
    if fits in (True, None):
        target.execute(f"ALTER TABLE main.{table} ALTER {column} TYPE {kind}")


def _declared(declared: str, held: str) -> str | None:
    """The type that a declaration names beside the four of SQLite; None: there is none to try."""
    if held == "VARCHAR" and re.fullmatch(r"DATE", declared):
        return "DATE"
    if held == "VARCHAR" and re.match(r"DATETIME|TIMESTAMP", declared):
        return "TIMESTAMP"
    if held == "BIGINT" and declared.startswith("BOOL"):
        return "BOOLEAN"
    if held in ("BIGINT", "DOUBLE") and (found := re.match(r"(?:DEC|NUM)\w*\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", declared)):
        width, scale = int(found[1]), int(found[2])
        return f"DECIMAL({width}, {scale})" if scale <= width <= 38 else None
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
