"""Copies tables of a PostgreSQL database into the sandbox's own DuckDB file; a part of the child program `sql_child`.

Nothing but our own reading statements reaches the server, in one read-only snapshot. What may be asked is what the role
of the address may read. Knows the standard library, psycopg and an open DuckDB connection.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMES = ("postgresql://", "postgres://")
CONNECT_SECONDS = 10
LEAST_LINE = 2 << 20
"""Bytes of a row that the reader of the engine makes room for."""
NULL = r"\N"
OURS = """n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'"""
LISTED = f"""SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v') AND NOT c.relispartition AND pg_catalog.pg_table_is_visible(c.oid)
        AND {OURS} AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
            AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
    ORDER BY c.oid"""
"""The tables and views that the role sees without naming a schema, but for those of extensions."""
COLUMNS = """SELECT a.attname, CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
        ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
STATE = f"""SELECT c.oid::bigint, c.relname, c.relfilenode::bigint, c.relnatts, c.xmin::text,
        coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'p', 'm', 'v') AND {OURS} ORDER BY c.oid"""
SESSION = {
    "client_encoding": "UTF8", "datestyle": "ISO", "intervalstyle": "postgres", "timezone": "UTC",
    "extra_float_digits": "1",
}  # fmt: skip
"""What the text forms of values depend on."""
PLAIN = {
    "smallint": "BIGINT", "integer": "BIGINT", "bigint": "BIGINT", "real": "DOUBLE", "double precision": "DOUBLE",
    "boolean": "BOOLEAN", "date": "DATE", "interval": "INTERVAL", "text": "VARCHAR", "character varying": "VARCHAR",
}  # fmt: skip
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
_LENGTH = re.compile(r"\(\d+\)")


def connect(url: str) -> Any:
    """A connection on which nothing can be written, in one snapshot. Raises psycopg.Error."""
    import psycopg

    connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="flywheel")
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    for name, value in SESSION.items():
        connection.execute(f"SET {name} = '{value}'")
    return connection


def state(url: str) -> tuple[Any, ...]:
    """A value that changes when rows or tables do, as far as the server counts them. Raises psycopg.Error."""
    with connect(url) as connection:
        return tuple(connection.execute(STATE).fetchall())


def copy_tables(source: str, target: Any, wanted: list[str] | None, folder: str) -> dict[str, Any]:
    """Copy tables (None: all but views) into `target`: {"tables": {name: [[column, type], …]}, "missing": […]}."""
    with connect(source) as server:
        found = {name: (oid, schema, kind) for oid, schema, name, kind in server.execute(LISTED).fetchall()}
        bases = [name for name, (_, _, kind) in found.items() if kind != "v"]
        by_name = {name.lower(): name for name in found}
        missing = [name for name in wanted or () if name.lower() not in by_name]
        if missing:
            return {"tables": {}, "missing": missing, "existing": bases}
        names = bases if wanted is None else [by_name[name.lower()] for name in wanted]
        tables = {}
        for name in dict.fromkeys(names):
            oid, schema, _ = found[name]
            columns = server.execute(COLUMNS, [oid]).fetchall()
            if columns:
                tables[name] = _copied(server, target, (schema, name), columns, Path(folder) / "rows.csv")
        return {"tables": tables, "missing": []}


def _copied(
    server: Any, target: Any, of: tuple[str, str], columns: Sequence[tuple[str, str]], part: Path
) -> list[list[str]]:
    """One table, by way of a file that is gone afterwards."""
    try:
        longest = _written(server, of, columns, part)
        rows = _reader(part, len(columns), longest)
        kinds = _kinds(server, of, columns)
        asked = ", ".join(
            f"bool_and(c{place} IS NULL OR {_cast(place, kind)} IS NOT NULL)"
            for place, choice in enumerate(kinds)
            for kind in choice
        )
        fits = iter(target.execute(f"SELECT {asked} FROM {rows}").fetchall()[0])
        taken = [_first([(kind, next(fits)) for kind in choice]) for choice in kinds]
        listed = ", ".join(
            f"{_cast(place, taken[place])} AS {_quoted(name)}" for place, (name, _) in enumerate(columns)
        )
        target.execute(f"CREATE TABLE main.{_quoted(of[1])} AS SELECT {listed} FROM {rows}")
    finally:
        part.unlink(missing_ok=True)
    return [[row[0], row[1]] for row in target.execute(f"DESCRIBE main.{_quoted(of[1])}").fetchall()]


def _written(server: Any, of: tuple[str, str], columns: Sequence[tuple[str, str]], part: Path) -> int:
    """Write the rows as CSV; the bytes of the longest."""
    listed = ", ".join(_sent(_quoted(name), kind) for name, kind in columns)
    longest = 0
    statement = (
        f"COPY (SELECT {listed} FROM {_quoted(of[0])}.{_quoted(of[1])}) TO STDOUT "
        f"(FORMAT csv, FORCE_QUOTE *, NULL '{NULL}')"
    )
    with part.open("wb") as file, server.cursor().copy(statement) as rows:
        for row in rows:
            longest = max(longest, len(row))
            file.write(row)
    return longest


def _sent(column: str, kind: str) -> str:
    """The expression that the server is asked for, so that its text is one the engine reads."""
    bare = _LENGTH.sub("", kind)
    if kind.endswith("[]"):
        return f"to_json({column})::text"
    if bare == "timestamp with time zone":
        return f"{column} AT TIME ZONE 'UTC'"
    return {"bytea": f"encode({column}, 'hex')", "money": f"{column}::numeric"}.get(bare, f"{column}::text")


def _kinds(server: Any, of: tuple[str, str], columns: Sequence[tuple[str, str]]) -> list[list[str]]:
    """For each column the types of the engine that may hold it, the best first; the last one holds anything."""
    found = []
    for name, kind in columns:
        bare = _LENGTH.sub("", kind)
        if kind in ("numeric", "money"):
            found.append([_decimal(server, of, name), "DOUBLE", "VARCHAR"])
        elif (fixed := _NUMERIC.fullmatch(kind)) and 0 <= int(fixed[2]) <= int(fixed[1]) <= 38:
            found.append([f"DECIMAL({fixed[1]}, {fixed[2]})", "DOUBLE", "VARCHAR"])
        elif kind.endswith("[]"):
            element = PLAIN.get(_LENGTH.sub("", kind.removesuffix("[]")), "VARCHAR")
            found.append([f"{element}[]", "VARCHAR"])
        elif bare.startswith("timestamp"):
            found.append(["TIMESTAMP", "VARCHAR"])
        else:
            known = {"bytea": "BLOB", "time without time zone": "TIME", "numeric": "DOUBLE"} | PLAIN
            found.append([known.get(bare, "VARCHAR"), "VARCHAR"])
    return found


def _decimal(server: Any, of: tuple[str, str], column: str) -> str:
    """The narrowest usual type for numbers whose digits nobody has limited."""
    name = f"{_quoted(column)}::numeric"
    digits, scale = server.execute(
        f"SELECT max(length(trunc(abs({name}))::text)), max(scale({name})) FROM {_quoted(of[0])}.{_quoted(of[1])}"
        f" WHERE {name} <> 'NaN'"
    ).fetchone()
    scale = scale or 0
    width = max(18, (digits or 1) + scale)
    return f"DECIMAL({width}, {scale})" if width <= 38 else "DOUBLE"


def _cast(place: int, kind: str) -> str:
    if kind == "VARCHAR":
        return f"c{place}"
    if kind == "BLOB":
        return f"unhex(c{place})"
    if kind.endswith("[]"):
        # A cast would make NULL of an element that does not fit.
        return f"TRY(json_transform_strict(c{place}, '[\"{kind[:-2]}\"]'))"
    return f"TRY_CAST(c{place} AS {kind})"


def _first(choice: Sequence[tuple[str, bool | None]]) -> str:
    """The first type that every value has; without values the first of all."""
    return next(kind for kind, fits in choice if fits in (True, None))


def _reader(part: Path, count: int, longest: int) -> str:
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(count))
    return (
        f"read_csv({_text(str(part))}, columns = {{{columns}}}, header = false, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', nullstr = {_text(NULL)}, allow_quoted_nulls = false, parallel = false, "
        f"max_line_size = {max(LEAST_LINE, longest + 1)})"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
