"""One row on its way into a table and back: values checked against the declared columns, and hashed.

Knows types, not meanings. Text that UTF-8 cannot hold is refused here, once, for everything that is ever stored.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring as text_of
from typing import Any, cast

from storage.errors import BadValue
from storage.migrations import Column, Columns

Value = str | int | float | bool | datetime | None


def stored(table: str, declared: Columns, row: Mapping[str, Any]) -> dict[str, Value]:
    """The row as the table will hold it, every declared column present. Raises BadValue naming the field."""
    if not row.keys() <= declared.keys():
        unknown = min(row.keys() - declared.keys())
        raise BadValue(f"`{table}` has no field `{unknown}`. Its fields are: {', '.join(declared)}.")
    return {name: _value(table, name, column, row.get(name)) for name, column in declared.items()}


def row_hash(table: str, row: Mapping[str, Any]) -> str:
    """Hex sha256 of table and row. NULLs are left out, so that a later column does not change old hashes."""
    fields = ",".join(f"{text_of(name)}:{_canonical(row[name])}" for name in sorted(row) if row[name] is not None)
    return hashlib.sha256(f"[{text_of(table)},{{{fields}}}]".encode()).hexdigest()


def _canonical(value: Value) -> str:
    """The JSON text of a value as `json.dumps` writes it, which takes longer to get ready than to write."""
    kind = type(value)
    if kind is str:
        return text_of(cast(str, value))
    if kind is int:
        return int.__repr__(cast(int, value))
    if isinstance(value, datetime):
        return text_of(value.astimezone(UTC).isoformat())
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def check_text(field: str, text: str) -> str:
    """The text itself. Raises BadValue where it holds half a character (a lone surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadValue(
            f"The field `{field}` holds half a character (U+{ord(text[error.start]):04X} at position {error.start}), "
            "which cannot be stored. Remove it and send the text again."
        ) from error
    return text


def as_json(field: str, value: Any) -> str:
    """JSON text of a dict or list. Numbers that are no numbers (NaN, infinity), which JSON cannot hold, become null."""
    if value == []:
        return "[]"
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise BadValue(f"The field `{field}` holds something that is not JSON: {error}.") from error
    return check_text(field, text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _value(table: str, field: str, column: Column, value: Any) -> Value:
    if value is None:
        if column.nullable:
            return None
        raise BadValue(f"The field `{table}.{field}` is empty. Give it a value.")
    if column.type == "VARCHAR":
        if isinstance(value, str):
            return check_text(field, str(value))
        if isinstance(value, Mapping | list | tuple):
            return as_json(field, value)
    elif column.type in ("INTEGER", "BIGINT"):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif column.type == "DOUBLE":
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif column.type == "BOOLEAN":
        if isinstance(value, bool):
            return value
    elif isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    raise BadValue(f"The field `{table}.{field}` cannot hold {value!r}. It takes a value of type {column.type}.")
