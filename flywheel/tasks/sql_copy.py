"""What became of a copying of tables into the sandbox, in words."""

from typing import Any

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.tasks.sql_source import Source, reason
from flywheel.words.catalogue import say


def tables_of(answer: dict[str, Any], source: Source) -> dict[str, list[tuple[str, str]]]:
    """The tables that the copying child says it has copied, name → (column, type). Its failures raise, in words."""
    if "failed" in answer:
        raise _failure(source, answer["failed"], answer["message"])
    if answer["missing"]:
        existing = ", ".join(f"`{name}`" for name in answer["existing"]) or "none"
        missing = answer["missing"][0]
        raise ConfigurationError(f"The database `{source.name}` has no table `{missing}`. It has: {existing}.")
    return {name: [(column, kind) for column, kind in columns] for name, columns in answer["tables"].items()}


def _failure(source: Source, kind: str, message: str) -> ConfigurationError | Unavailable:
    if "Could not set lock" in message or "database is locked" in message:
        return Unavailable(say("error.sql.database_held", database=source.name))
    if "No space left" in message:
        return Unavailable(say("error.sql.no_room", database=source.name))
    if kind == "OperationalError" and "://" in source.address:
        return Unavailable(say("error.sql.no_server", database=source.name, reason=reason(message)))
    first = message.split("\n", 1)[0].replace(source.address, source.name).rstrip(".!")
    remedy = "Name a DuckDB or SQLite file." if "://" not in source.address else "Correct the table, or hide it."
    return ConfigurationError(f"The database `{source.name}` cannot be read: {first}. {remedy}")
