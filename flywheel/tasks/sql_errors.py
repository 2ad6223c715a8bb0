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
KINDS = {
    "VARCHAR": "text", "STRING_LITERAL": "text", "BOOL": "yes or no", "BOOLEAN": "yes or no", "DATE": "a date",
    "INTERVAL": "a length of time", "TIME": "a time of day", "BLOB": "bytes",
}  # fmt: skip
NUMBERS = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?(?:\d+|_LITERAL)?$|DECIMAL|DOUBLE|FLOAT|NUMERIC")
_WORD = r'"?(\w+)"?'
_SOURCE = re.compile(rf"(?:\bFROM|\bJOIN|,)\s*{_WORD}(?:\s+(?:AS\s+)?{_WORD})?", re.IGNORECASE)
_KEYWORDS = {
    "on", "using", "where", "group", "order", "join", "inner", "left", "right", "full", "cross", "natural", "limit",
    "having", "union", "except", "intersect", "window", "qualify", "as", "asof", "lateral", "offset", "select",
}  # fmt: skip
_TABLE_REFUSED = re.compile(r"The table `(.+)` is not among the allowed tables\.$")


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
    if found := _TABLE_REFUSED.match(reason):
        there_are = f" {say('refusal.there_are', tables=_listed(list(tables)))}" if tables else ""
        return say("refusal.no_table", table=found[1]) + there_are
    if reason.startswith("Only a SELECT statement"):
        return say("refusal.reads_only")
    if reason.startswith("This is not SQL that can be read"):
        return say("refusal.incomplete", said=reason.partition(": ")[2].rstrip("."))
    return reason


def _unknown_column(column: str, named: Sequence[str], tables: Tables) -> str:
    if not named:
        return f"There is no column `{column}` at this place of the query."
    holding = [name for name in named if _holds(tables[name], column)]
    if holding:
        return f"The column `{column}` of {_listed(holding)} cannot be used at this place of the query."
    has = "; ".join(
        f"{'it' if len(named) == 1 else f'`{name}`'} has {_listed([c for c, _ in tables[name]])}" for name in named
    )
    elsewhere = [name for name, columns in tables.items() if _holds(columns, column)]
    hint = f" `{column}` is a column of {_listed(elsewhere)}." if elsewhere else ""
    return f"There is no column `{column}` in {_listed(list(named), 'or')}; {has}.{hint}"


def _missing(found: re.Match[str], statement: str, tables: Tables) -> str:
    return _unknown_column(found[1], _sources(statement, tables), tables)


def _missing_of(found: re.Match[str], statement: str, tables: Tables) -> str:
    alias = found[1].casefold()
    table = _aliases(statement, tables).get(alias)
    if table is None:
        return f"There is no column `{found[2]}` in `{found[1]}`."
    return _unknown_column(found[2], [table], tables)


def _missing_table(found: re.Match[str], statement: str, tables: Tables) -> str:
    named = _sources(statement, tables)
    instead = f" It reads {_listed(named)}." if named else ""
    return f"The query speaks of `{found[1]}` and does not read such a table.{instead}"


def _ambiguous(found: re.Match[str], statement: str, tables: Tables) -> str:
    owners = re.findall(r"'(.+?)'", found[2])
    return f"`{found[1]}` is in more than one of the tables read. It has to say which: {_listed(owners, 'or')}."


def _compared(found: re.Match[str], statement: str, tables: Tables) -> str:
    return f"This compares {_kind(found[1])} with {_kind(found[2])}, which cannot be compared as they are."


def _called(found: re.Match[str], statement: str, tables: Tables) -> str:
    name, kinds = found[1], [_kind(kind) for kind in _split(found[2])]
    what = f"`{name}`" if name.isidentifier() else f"the sign `{name}`"
    return f"{what[0].upper()}{what[1:]} cannot be used on {' and '.join(kinds) or 'nothing'}."


def _converted(found: re.Match[str], statement: str, tables: Tables) -> str:
    return f"`{found[1]}` cannot be read as {_kind(found[2])}."


def _says(words: str) -> Callable[[re.Match[str], str, Tables], str]:
    return lambda found, statement, tables: words.format(*found.groups())


_CALL = r"""['"](\S+?)\((.*)\)['"]"""
_KNOWN: list[tuple[re.Pattern[str], Callable[[re.Match[str], str, Tables], str]]] = [
    (re.compile(r'Referenced column "(.+)" not found'), _missing),
    (re.compile(r'Table "(.+)" does not have a column named "(.+)"'), _missing_of),
    (re.compile(r'Referenced table "(.+)" not found'), _missing_table),
    (re.compile(r'Ambiguous reference to column name "(.+?)" \(use: (.+)\)'), _ambiguous),
    (
        re.compile(r'Ambiguous reference to table "(.+?)"'),
        _says("The query reads two tables under the one name `{0}`. Each needs a name of its own."),
    ),
    (
        re.compile(r'column "(.+)" must appear in the GROUP BY clause'),
        _says("`{0}` has many values where the query needs one. It has to be grouped by `{0}`, or summed up."),
    ),
    (re.compile(r"Cannot compare values of type (.+) and type (.+?)(?: - |\.?$)"), _compared),
    (re.compile(rf"No function matches the given name and argument types {_CALL}"), _called),
    (re.compile(rf"Could not choose a best candidate function for the function call {_CALL}"), _called),
    (re.compile(r"Could not convert string '(.*)' to (\w+)"), _converted),
    (
        re.compile(r'invalid date field format: "(.*)", expected'),
        _says("`{0}` is no date. Dates are written YYYY-MM-DD."),
    ),
    (re.compile(r'date field value out of range: "(.*)"'), _says("`{0}` is a date that does not exist.")),
    (re.compile(r"Division by zero"), _says("This divides by zero.")),
    (
        re.compile(r"Overflow in|out of range for the destination type"),
        _says("A number became too large to compute with."),
    ),
    (
        re.compile(r"(WHERE|GROUP BY|JOIN|RETURNING) clause cannot contain (?:aggregates|aggregate)"),
        _says("Sums and counts cannot be used after `{0}`; conditions on them come after `HAVING`."),
    ),
    (re.compile(r"clause cannot contain window"), _says("A rank over rows cannot be used as a condition.")),
    (
        re.compile(r"aggregate function calls cannot be nested"),
        _says("A sum or a count cannot be made of another one."),
    ),
    (
        re.compile(r"Set operations can only apply"),
        _says("The parts of this query that are put together have different numbers of columns."),
    ),
    (
        re.compile(r"More than one row returned by a subquery"),
        _says("A part of the query gives many rows where one is needed."),
    ),
    (re.compile(r"ORDER term out of range"), _says("This orders by a column that the result does not have.")),
    (re.compile(r"LIMIT/OFFSET cannot be negative"), _says("This asks for fewer than zero rows.")),
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
        return "a point in time"
    return KINDS.get(bare) or ("a number" if NUMBERS.match(bare) else f"`{kind.strip()}`")


def _listed(names: Sequence[str], last: str = "and") -> str:
    shown = [f"`{name}`" for name in names[:MOST_NAMES]]
    if len(names) > MOST_NAMES:
        shown.append(f"{len(names) - MOST_NAMES} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}" if shown else "none"
