"""What the stores share: a transaction where none is given, the stamp of a row, a value out of a list."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from storage.database import Database
from storage.errors import BadValue, Stale
from storage.transaction import Transaction

T = TypeVar("T")


def inside(db: Database, tx: Transaction | None, by: str, job: Callable[[Transaction], T]) -> T:
    """Run a job in the transaction given, or in one of its own."""
    return job(tx) if tx is not None else db.write(job, by=by)


def stamped(row: Mapping[str, Any], by: str, at: datetime) -> dict[str, Any]:
    """The row with when and by whom it was appended."""
    return {**row, "created": at, "created_by": by}


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises BadValue when the value is none of those allowed."""
    if value not in allowed:
        raise BadValue(f"The field `{field}` cannot be `{value}`. It is one of: {', '.join(allowed)}.")


def number_of(letter: str, id: str) -> int:
    """The number in `d3` or `v3`; -1, which no row has, for anything else."""
    digits = id.removeprefix(letter)
    return int(digits) if id.startswith(letter) and digits.isascii() and digits.isdigit() else -1


def next_number(tx: Transaction, table: str, wanted: int | None, noun: str) -> int:
    """The next free number of a table. Raises Stale when it is not the one wanted."""
    number = int(tx.value(f"SELECT coalesce(max(number), 0) + 1 FROM {table}"))
    if wanted not in (None, number):
        raise Stale(f"A {noun} was made meanwhile: the next is {number}, not {wanted}. Try again.")
    return number
