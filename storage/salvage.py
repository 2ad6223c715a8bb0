"""Opening a database whose log was damaged: what can be read is kept, what cannot is put aside under its own name.

DuckDB refuses to open where the checksum of a log entry is wrong (a power cut may leave zeros there). The entries
before it are whole. A copy of the log is kept, the log is cut at the bad entry, and the words say so. A database
file that is itself damaged is never touched.
"""

import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from storage.errors import DatabaseDamaged, DiskFull, HomeLocked, NewerDatabase, StorageError

# The default limit is most of the machine's memory, which the model needs more.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_BAD_ENTRY = re.compile(r"Corrupt WAL file: entry at byte position (\d+)")
_HOLDER = re.compile(r"PID (\d+)")
_DAMAGE = ("Corrupt", "Could not read enough bytes", "not a valid DuckDB")
_FULL = ("No space left on device", "File too large", "Disk quota exceeded")


@dataclass
class Opened:
    """An open connection and what had to be done for it."""

    connection: duckdb.DuckDBPyConnection
    kept: list[Path] = field(default_factory=list)
    """Copies of damaged logs."""


def connect(path: Path) -> Opened:
    """Open or create. Raises DatabaseDamaged, HomeLocked, NewerDatabase, DiskFull, StorageError."""
    kept: list[Path] = []
    while True:
        try:
            connection = duckdb.connect(str(path), config=_CONFIG)
        except duckdb.Error as error:
            bad = _BAD_ENTRY.search(str(error))
            if bad is None:
                raise in_words(path, error) from error
            kept.append(_cut(wal_of(path), int(bad[1])))
        else:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            return Opened(connection, kept)


def connect_to_read(path: Path) -> duckdb.DuckDBPyConnection:
    """Open for reading alone, and mend nothing. Raises as `connect` does."""
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_CONFIG)
    except duckdb.Error as error:
        if _BAD_ENTRY.search(str(error)):
            raise DatabaseDamaged(
                f"The log `{wal_of(path)}` is damaged. The next start keeps a copy of it, keeps all before the damage, "
                "and says what is missing."
            ) from error
        raise in_words(path, error) from error
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def wal_of(path: Path) -> Path:
    """Where DuckDB keeps the log of this database."""
    return path.with_name(path.name + ".wal")


def spare_name(path: Path, suffix: str) -> Path:
    """`path` with the suffix and the time, a name not in use."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    name = path.with_name(f"{path.name}.{suffix}-{stamp}")
    number = 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.{suffix}-{stamp}-{number}")
    return name


def is_full(error: BaseException) -> bool:
    """Whether the engine failed for want of space."""
    return any(words in str(error) for words in _FULL)


def is_damage(error: BaseException) -> bool:
    """Whether the engine found that a file does not hold what was written into it."""
    return any(words in str(error) for words in _DAMAGE)


def damaged(path: Path, error: BaseException) -> DatabaseDamaged:
    """What to do about a damaged database file."""
    return DatabaseDamaged(
        f"The database file `{path}` is damaged ({first_line(error)}). Nothing was changed. Stop Flywheel, move the "
        f"file and `{wal_of(path).name}` away, and put a backup in its place."
    )


def in_words(path: Path, error: duckdb.Error) -> StorageError:
    """What a person can do about an error at opening."""
    text = str(error)
    if "Could not set lock on file" in text:
        holder = _HOLDER.search(text)
        return HomeLocked(int(holder[1]) if holder else 0, "")
    if is_full(error):
        return DiskFull(f"The disk under `{path.parent}` is full. Free some space and start again.")
    if "version number" in text and "read" in text:
        return NewerDatabase(f"`{path}` was written by another version of DuckDB. Use the Flywheel that wrote it.")
    if "replaying WAL" in text:
        return DatabaseDamaged(
            f"The log `{wal_of(path)}` is damaged in a way that leaves no safe place to cut it. Nothing was changed. "
            "Put a backup in place, or move that file away to go on from the last checkpoint."
        )
    if isinstance(error, duckdb.IOException) and not is_damage(error):
        return StorageError(f"`{path}` cannot be opened: {first_line(error)}. Check its rights and the disk.")
    return damaged(path, error)


def first_line(error: BaseException) -> str:
    """The engine's own words without its hints."""
    return str(error).splitlines()[0].rstrip(".!")


def _cut(log: Path, position: int) -> Path:
    kept = spare_name(log, "corrupt")
    try:
        shutil.copy2(log, kept)
    except OSError as error:
        kept.unlink(missing_ok=True)
        raise DiskFull(
            f"The log `{log}` is damaged and there is no room to keep a copy before mending it. Free some space first."
        ) from error
    with log.open("r+b") as file:
        file.truncate(position)
    return kept
