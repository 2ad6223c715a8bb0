"""The database file behind the sandbox's copy: when it has changed, and what became of a copying, in words."""

import contextlib
from pathlib import Path
from typing import Any

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.words.catalogue import say

LOGS = (".wal", "-wal", "-journal")
"""Behind a file's name: the log of DuckDB, and both of SQLite."""


def state_of(database: Path) -> tuple[tuple[int, int], ...]:
    """Size and time of the file and of its log; they change whenever its rows do."""
    if not database.is_file():
        raise ConfigurationError(f"There is no database file `{database}`. Name an existing DuckDB or SQLite file.")
    state = []
    for path in (database, *(database.with_name(database.name + log) for log in LOGS)):
        # The log comes and goes with whoever writes.
        with contextlib.suppress(FileNotFoundError):
            state.append((path.stat().st_size, path.stat().st_mtime_ns))
    return tuple(state)


def tables_of(answer: dict[str, Any], database: Path) -> dict[str, list[tuple[str, str]]]:
    """The tables that the copying child says it has copied, name → (column, type). Its failures raise, in words."""
    if "failed" in answer:
        raise _failure(database, answer["message"])
    if answer["missing"]:
        existing = ", ".join(f"`{name}`" for name in answer["existing"]) or "none"
        missing = answer["missing"][0]
        raise ConfigurationError(f"The database `{database.name}` has no table `{missing}`. It has: {existing}.")
    return {name: [(column, kind) for column, kind in columns] for name, columns in answer["tables"].items()}


def _failure(database: Path, message: str) -> ConfigurationError | Unavailable:
    if "Could not set lock" in message or "database is locked" in message:
        return Unavailable(say("error.sql.database_held", database=database.name))
    if "No space left" in message:
        return Unavailable(say("error.sql.no_room", database=database.name))
    first = message.split("\n", 1)[0].replace(str(database), database.name).rstrip(".!")
    return ConfigurationError(f"The database `{database.name}` cannot be read: {first}. Name a DuckDB or SQLite file.")
