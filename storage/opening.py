"""Opening a database: salvage, migrate, hold the ledger against the side file, and say what was found.

Nothing that might be needed to find out what happened is overwritten: the log as it was found and a side file that
knew more are kept under names of their own.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from storage import chain, ids, migrations
from storage.chain import Head, Tail
from storage.engine import Engine, told
from storage.errors import DatabaseDamaged, Missing, NewerDatabase, OlderDatabase, StorageError
from storage.files import fsync_dir
from storage.migrations import Columns
from storage.salvage import in_words, spare_name, wal_of


@dataclass(frozen=True)
class OpenReport:
    """What opening found: fit for a page."""

    salvaged: bool = False
    lost: int = 0
    """Acknowledged records that are in the side file's count and not in the database."""
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Opening:
    """An open, migrated database."""

    engine: Engine
    schema: dict[str, Columns]
    head: Head
    report: OpenReport


def opened(path: Path, tail: Tail) -> Opening:
    """Open or create the database and say what was found. Raises StorageError, having changed nothing then."""
    if not path.exists():
        _create(path)
    spare = _spare_log(path)
    try:
        engine = Engine(path)
        try:
            return _looked_through(engine, tail, spare)
        except Exception as error:
            engine.abandon()
            raise told(path, error, writing=False) from error
    except BaseException:
        if spare is not None:
            spare.unlink(missing_ok=True)
        raise


def looked_at(path: Path) -> Opening:
    """Open for reading alone: nothing is mended, migrated or put aside. Raises StorageError."""
    if not path.is_file():
        raise Missing(f"There is no database `{path}`. It is made at the first start.")
    engine = Engine(path, writing=False)
    try:
        with engine.cursor() as cursor:
            done = migrations.applied(cursor)
            if done != len(migrations.STEPS):
                raise _other_step(path, done)
            return Opening(engine, migrations.columns(cursor), chain.head(cursor), OpenReport())
    except Exception as error:
        engine.close()
        raise told(path, error, writing=False) from error


def _other_step(path: Path, done: int) -> StorageError:
    known = len(migrations.STEPS)
    if done > known:
        return NewerDatabase(
            f"`{path}` is at step {done}, this Flywheel knows {known}. Use the newer one that wrote it."
        )
    return OlderDatabase(
        f"`{path}` is at step {done} of {known}. The next start keeps a copy and takes the missing steps."
    )


def _create(path: Path) -> None:
    """A new, migrated database in one step: a start that is killed or out of space must not leave half a file."""
    log = wal_of(path)
    if log.exists():
        raise DatabaseDamaged(
            f"The log `{log}` is there without its database `{path.name}`. "
            "Put the database back, or move the log away to start with an empty one."
        )
    part = path.with_name(f".{path.name}.part")
    try:
        for left in (part, wal_of(part)):
            left.unlink(missing_ok=True)
        engine = Engine(part)
        try:
            _migrate(engine)
        finally:
            engine.close()
    except duckdb.Error as error:
        raise in_words(path, error) from error
    part.replace(path)
    fsync_dir(path.parent)


def _looked_through(engine: Engine, tail: Tail, spare: Path | None) -> Opening:
    _migrate(engine)
    with engine.cursor() as cursor:
        schema = migrations.columns(cursor)
        head = chain.head(cursor)
        ids.advance_past(chain.newest_id(cursor))
    return Opening(engine, schema, head, _report(engine, tail, spare))


def copy_to(cursor: duckdb.DuckDBPyConnection, out: Path) -> None:
    """A consistent copy of the live database in a new file."""
    live = cursor.execute("SELECT current_database()").fetchall()[0][0]
    name = "copy_" + ids.new_id()
    quoted = str(out).replace("'", "''")
    cursor.execute(f"ATTACH '{quoted}' AS {name}")
    try:
        cursor.execute(f'COPY FROM DATABASE "{live}" TO {name}')
    finally:
        cursor.execute(f"DETACH {name}")


def _spare_log(path: Path) -> Path | None:
    """A copy of the log of an app that did not end well, kept only if opening turns out to lose rows."""
    log = wal_of(path)
    if not log.exists() or not log.stat().st_size:
        return None
    spare = spare_name(log, "before")
    try:
        shutil.copy2(log, spare)
    except OSError:
        # No room for a copy is no reason not to start: without damage nobody will miss it.
        spare.unlink(missing_ok=True)
        return None
    return spare


def _migrate(engine: Engine) -> None:
    with engine.cursor() as cursor:
        done = migrations.applied(cursor)
        if 0 < done < len(migrations.STEPS):
            copy_to(cursor, spare_name(engine.path, f"before-step-{done + 1}"))
        migrations.migrate(cursor)


def _report(engine: Engine, tail: Tail, spare: Path | None) -> OpenReport:
    with engine.cursor() as cursor:
        lost, messages = _compare(chain.head(cursor), cursor, tail)
    kept = list(engine.kept)
    if spare is not None and messages and not kept:
        kept.append(spare)
    elif spare is not None:
        spare.unlink()
    if engine.kept:
        messages.insert(0, "The database's log was damaged. Everything before the damage was kept.")
    if kept:
        names = ", ".join(f"`{copy}`" for copy in kept)
        messages.append(f"The log as it was found is kept in {names}.")
    return OpenReport(bool(engine.kept), lost, messages)


def _compare(head: Head, cursor: duckdb.DuckDBPyConnection, tail: Tail) -> tuple[int, list[str]]:
    """How many acknowledged lines are missing, and what to tell about it; a side file that disagrees is put aside."""
    try:
        witness = tail.read()
    except ValueError:
        kept = _put_aside(tail.path)
        return 0, [f"The ledger's side file cannot be read, so lost records would not show. It is now `{kept}`."]
    if witness is None:
        missing = f"The ledger's side file `{tail.path}` is gone, so lost records would not show. A new one was made."
        return 0, [missing] if head.seq else []
    if head.seq < witness.seq:
        lost = witness.seq - head.seq
        kept = _put_aside(tail.path)
        records = "1 acknowledged record is" if lost == 1 else f"{lost} acknowledged records are"
        return lost, [f"{records} missing from the end of the database. The side file that proves it is now `{kept}`."]
    if witness.seq and _hash_of(cursor, witness.seq) != witness.hash:
        kept = _put_aside(tail.path)
        return 0, [f"The ledger was changed at or before record {witness.seq}. The side file is now `{kept}`."]
    return 0, []


def _hash_of(cursor: duckdb.DuckDBPyConnection, seq: int) -> str | None:
    found = cursor.execute("SELECT hash FROM ledger WHERE seq = ?", [seq]).fetchall()
    return str(found[0][0]) if found else None


def _put_aside(path: Path) -> Path:
    kept = spare_name(path, "found")
    path.replace(kept)
    return kept
