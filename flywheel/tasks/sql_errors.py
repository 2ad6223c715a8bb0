"""What the database and the guard say about a statement, in words for who asked and not for who knows the engine.

Pure: the engine's sentence, the statement and the tables in, sentences out. What is not known here stays the engine's
own sentence, introduced as such. Says of a table only what its list of columns says.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from flywheel.words.catalogue import say

Tables = Mapping[str, Sequence[tuple[str, str]]]
"""Table → (column, type)."""

MOST_NAMES = 12
"""Columns or tables that are listed."""
STOPPED = ("time", "memory")
PLACE = "\0"
KINDS = {
    "VARCHAR": "text", "STRING_LITERAL": "text", "BOOL": "truth", "BOOLEAN": "truth", "DATE": "date",
    "INTERVAL": "interval", "TIME": "time", "BLOB": "bytes",
}  # fmt: skip
NUMBERS = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?(?:\d+|_LITERAL)?$|DECIMAL|DOUBLE|FLOAT|NUMERIC")
_WORD = r'"?(\w+)"?'
_SOURCE = re.compile(rf"(?:\bFROM|\bJOIN|,)\s*{_WORD}(?:\s+(?:AS\s+)?{_WORD})?", re.IGNORECASE)
_KEYWORDS = {
    "on", "using", "where", "group", "order", "join", "inner", "left", "right", "full", "cross", "natural", "limit",
    "having", "union", "except", "intersect", "window", "qualify", "as", "asof", "lateral", "offset", "select",
}  # fmt: skip


def explain(error: str, statement: str, tables: Tables) -> str:
    """What went wrong when `statement` ran: `time`, `memory` or the engine's sentence → one or two plain sentences."""
    if error in STOPPED:
        return say(f"refusal.{error}")
    first_line = error.strip().split("\n")[0]
    for pattern, words in _KNOWN:
        if found := pattern.search(first_line):
            return words(found, statement, tables)
    told = say("refusal.unknown", said=first_line)
    return told if told.endswith((".", "!", "?", "…")) else f"{told}."


def refusal(reason: str, tables: Tables) -> str:
    """Why the guard did not let a statement run, with what there is instead where that helps."""
    if found := _as(say("guard.table", name=PLACE), reason):
        there_are = f" {say('refusal.there_are', tables=_listed(list(tables)))}" if tables else ""
        return say("refusal.no_table", table=found[1]) + there_are
    if reason == say("guard.only_select"):
        return say("refusal.reads_only")
    if found := _as(say("guard.unreadable", said=PLACE), reason):
        return say("refusal.incomplete", said=found[1].rstrip("."))
    return reason


def _as(sentence: str, reason: str) -> re.Match[str] | None:
    """The reason as a sentence of the catalogue, whatever it says in the place of `PLACE`."""
    return re.fullmatch(re.escape(sentence).replace(re.escape(PLACE), "(.+)"), reason, re.DOTALL)


def _unknown_column(column: str, named: Sequence[str], tables: Tables) -> str:
    if not named:
        return say("sql_error.no_column_here", column=column)
    holding = [name for name in named if _holds(tables[name], column)]
    if holding:
        return say("sql_error.column_not_here", column=column, tables=_listed(holding))
    has = "; ".join(_columns_of(name, tables, alone=len(named) == 1) for name in named)
    elsewhere = [name for name, columns in tables.items() if _holds(columns, column)]
    hint = f" {say('sql_error.column_of', column=column, tables=_listed(elsewhere))}" if elsewhere else ""
    return say("sql_error.no_column", column=column, tables=_listed(list(named), "or"), has=has) + hint


def _columns_of(table: str, tables: Tables, *, alone: bool) -> str:
    columns = _listed([column for column, _ in tables[table]])
    return say("sql_error.it_has", columns=columns) if alone else say("sql_error.has", table=table, columns=columns)


def _missing(found: re.Match[str], statement: str, tables: Tables) -> str:
    return _unknown_column(found[1], _sources(statement, tables), tables)


def _missing_of(found: re.Match[str], statement: str, tables: Tables) -> str:
    alias = found[1].casefold()
    table = _aliases(statement, tables).get(alias)
    if table is None:
        return say("sql_error.no_column_in", column=found[2], table=found[1])
    return _unknown_column(found[2], [table], tables)


def _missing_table(found: re.Match[str], statement: str, tables: Tables) -> str:
    named = _sources(statement, tables)
    instead = f" {say('sql_error.reads', tables=_listed(named))}" if named else ""
    return say("sql_error.no_table_read", table=found[1]) + instead


def _ambiguous(found: re.Match[str], statement: str, tables: Tables) -> str:
    owners = re.findall(r"'(.+?)'", found[2])
    return say("sql_error.ambiguous", column=found[1], tables=_listed(owners, "or"))


def _compared(found: re.Match[str], statement: str, tables: Tables) -> str:
    return say("sql_error.compared", one=_kind(found[1]), other=_kind(found[2]))


def _called(found: re.Match[str], statement: str, tables: Tables) -> str:
    name, kinds = found[1], [_kind(kind) for kind in _split(found[2])]
    kind = "function" if name.isidentifier() else "sign"
    on = f" {say('sql_error.and')} ".join(kinds) or say("sql_error.nothing")
    return say(f"sql_error.cannot.{kind}", name=name, kinds=on)


def _converted(found: re.Match[str], statement: str, tables: Tables) -> str:
    return say("sql_error.not_read_as", value=found[1], kind=_kind(found[2]))


def _says(name: str) -> Callable[[re.Match[str], str, Tables], str]:
    return lambda found, statement, tables: say(f"sql_error.plain.{name}", named=(*found.groups(), "")[0])


_CALL = r"""['"](\S+?)\((.*)\)['"]"""
_KNOWN: list[tuple[re.Pattern[str], Callable[[re.Match[str], str, Tables], str]]] = [
    (re.compile(r'Referenced column "(.+)" not found'), _missing),
    (re.compile(r'Table "(.+)" does not have a column named "(.+)"'), _missing_of),
    (re.compile(r'Referenced table "(.+)" not found'), _missing_table),
    (re.compile(r'Ambiguous reference to column name "(.+?)" \(use: (.+)\)'), _ambiguous),
    (
        re.compile(r'Ambiguous reference to table "(.+?)"'),
        _says("same_name"),
    ),
    (
        re.compile(r'column "(.+)" must appear in the GROUP BY clause'),
        _says("not_grouped"),
    ),
    (re.compile(r"Cannot compare values of type (.+) and type (.+?)(?: - |\.?$)"), _compared),
    (re.compile(rf"No function matches the given name and argument types {_CALL}"), _called),
    (re.compile(rf"Could not choose a best candidate function for the function call {_CALL}"), _called),
    (re.compile(r"Could not convert string '(.*)' to (\w+)"), _converted),
    (
        re.compile(r'invalid date field format: "(.*)", expected'),
        _says("no_date"),
    ),
    (re.compile(r'date field value out of range: "(.*)"'), _says("no_such_date")),
    (re.compile(r"Division by zero"), _says("by_zero")),
    (
        re.compile(r"Overflow in|out of range for the destination type"),
        _says("too_large"),
    ),
    (
        re.compile(r"(WHERE|GROUP BY|JOIN|RETURNING) clause cannot contain (?:aggregates|aggregate)"),
        _says("sums_after"),
    ),
    (re.compile(r"clause cannot contain window"), _says("rank")),
    (
        re.compile(r"aggregate function calls cannot be nested"),
        _says("nested_sums"),
    ),
    (
        re.compile(r"Set operations can only apply"),
        _says("parts"),
    ),
    (
        re.compile(r"More than one row returned by a subquery"),
        _says("many_rows"),
    ),
    (re.compile(r"ORDER term out of range"), _says("order")),
    (re.compile(r"LIMIT/OFFSET cannot be negative"), _says("limit")),
]


def _aliases(statement: str, tables: Tables) -> dict[str, str]:
    """Name in the statement, in small letters → table it stands for."""
    known = {name.casefold(): name for name in tables}
    names: dict[str, str] = {}
    for source, alias in _SOURCE.findall(statement):
        if (table := known.get(source.casefold())) is not None:
            names[source.casefold()] = table
            if alias and alias.casefold() not in _KEYWORDS:
                names[alias.casefold()] = table
    return names


def _sources(statement: str, tables: Tables) -> list[str]:
    """The tables a statement reads, each once, as they come."""
    return list(dict.fromkeys(_aliases(statement, tables).values()))


def _holds(columns: Sequence[tuple[str, str]], column: str) -> bool:
    return column.casefold() in [name.casefold() for name, _ in columns]


def _split(kinds: str) -> list[str]:
    """`VARCHAR, DECIMAL(10,2)` → both, the comma inside the parentheses left alone."""
    return [kind for kind in re.split(r",\s*(?![^(]*\))", kinds) if kind]


def _kind(kind: str) -> str:
    bare = kind.strip().upper()
    if bare.startswith("TIMESTAMP"):
        return say("sql_error.kind.moment")
    name = KINDS.get(bare) or ("number" if NUMBERS.match(bare) else "")
    return say(f"sql_error.kind.{name}") if name else f"`{kind.strip()}`"


def _listed(names: Sequence[str], last: str = "and") -> str:
    shown = [f"`{name}`" for name in names[:MOST_NAMES]]
    if len(names) > MOST_NAMES:
        shown.append(say("sql_error.more", count=len(names) - MOST_NAMES))
    if len(shown) < 2:
        return shown[0] if shown else say("sql_error.none")
    return say(f"sql_error.list_{last}", names=", ".join(shown[:-1]), last=shown[-1])
