"""A home made of a backup, whole or not at all.

Everything is checked before the first byte is written; then it is unpacked beside its place and held against the
ledger, and only a home that holds gets its names. A home that has anything in it is never touched.
"""

import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import archive, ledger
from storage.archive import Contents
from storage.backup import Step, counted, in_words
from storage.database import Database
from storage.errors import DiskFull, HomeLocked, NoBackup, StorageError
from storage.files import fsync_dir
from storage.home import Home
from storage.lock import HomeLock, holder

STAGING = ".restore"
_BESIDE = 64 << 20
"""Bytes that must stay free: a start writes the sample database and a log."""
_BELONGS = re.compile(
    r"(flywheel\.duckdb|ledger\.tail|secret\.key|owner\.key|(runs/\d+|versions/v\d+|datasets/d\d+)/.+)"
)
_NEEDED = ("flywheel.duckdb", "ledger.tail", "secret.key", "owner.key")

Settle = Callable[[Database, Home], None]


@dataclass(frozen=True)
class Restored:
    """What came back."""

    home: str
    files: int
    records: int
    """Lines of the ledger, all of which hold."""
    facts: dict[str, Any]
    """What the backup says of where it came from."""


def unpack(path: Path, place: Path, settle: Settle) -> Generator[Step, None, Restored]:
    """Make the home `place`, which must be missing or empty, from a backup. `settle` brings its records up to date.

    Raises NoBackup for a file that is not a whole, unchanged backup, StorageError for a home that is in use.
    """
    expect_empty(place)
    contents = archive.read_list(path)
    _expect_home(path, contents)
    _expect_room(place, contents)
    yield from counted("checking", archive.walk(path, contents), contents.bytes)
    with _in_place(place) as (home, staging):
        unpacked = Home(staging)
        yield from counted("unpacking", archive.walk(path, contents, staging), contents.bytes)
        yield Step("checking the ledger")
        records = _checked(path, Home.open(unpacked.path), settle)
        # The database last: a home without one holds nothing that anybody could have used.
        for child in sorted(staging.iterdir(), key=lambda child: child == unpacked.database):
            child.rename(home.path / child.name)
        fsync_dir(home.path)
    return Restored(str(place), len(contents.files), records, contents.facts)


def expect_empty(place: Path) -> None:
    """Raise StorageError unless a home can be made at `place`."""
    if place.is_dir() and (app := holder(Home(place))) is not None:
        raise HomeLocked(app.pid, app.url)
    if place.is_dir() and not any(child.name not in (STAGING, "lock") for child in place.iterdir()):
        return
    if place.exists() or place.is_symlink():
        what = "holds something already" if place.is_dir() else "is no folder"
        raise StorageError(
            f"The home `{place}` {what}, and a restore never overwrites. "
            "Name an empty or new folder in FLYWHEEL_HOME, or move what is there away."
        )


def _expect_home(path: Path, contents: Contents) -> None:
    strange = [name for name in contents.files if not _BELONGS.fullmatch(name)]
    if strange:
        raise NoBackup(f"`{path}` holds `{strange[0][:100]}`, which belongs to no home of Flywheel. It is not taken.")
    missing = [name for name in _NEEDED if name not in contents.files]
    if missing:
        raise NoBackup(f"`{path}` holds no `{missing[0]}`, so it is no whole backup. Take another copy of it.")


def _expect_room(place: Path, contents: Contents) -> None:
    folder = next(parent for parent in (place, *place.parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if contents.bytes + _BESIDE > free:
        raise DiskFull(
            f"The backup unpacks to {contents.bytes / 1e6:,.0f} MB and there are {free / 1e6:,.0f} MB free under "
            f"`{folder}`. Free some space, or name another folder in FLYWHEEL_HOME."
        )


@contextmanager
def _in_place(place: Path) -> Iterator[tuple[Home, Path]]:
    """The home, locked, and an empty folder in it; on any failure the home is as it was before."""
    made = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = HomeLock.acquire(Home(place), "")
    except OSError as error:
        raise in_words(place, error) from error
    try:
        if any(child.name not in (STAGING, "lock") for child in place.iterdir()):
            raise StorageError(
                f"The home `{place}` was filled by something else meanwhile. Look at it, then try again."
            )
        with _emptied_on_failure(place, made):
            shutil.rmtree(place / STAGING, ignore_errors=True)
            (place / STAGING).mkdir(mode=0o700)
            yield Home(place), place / STAGING
            (place / STAGING).rmdir()
    finally:
        lock.release()


@contextmanager
def _emptied_on_failure(place: Path, made: list[Path]) -> Iterator[None]:
    """The home was empty and is locked, so all that is in it after a failure is ours."""
    try:
        yield
    except BaseException as error:
        for child in place.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        for folder in made:
            folder.rmdir()
        if isinstance(error, OSError):
            raise in_words(place, error) from error
        raise


def _checked(path: Path, home: Home, settle: Settle) -> int:
    """Open the unpacked home once, as its first start would; the number of records."""
    home.secret()
    home.owner_token()
    database = Database.open(home.database, home.ledger_tail)
    try:
        report = ledger.verify(database)
        if database.report.messages or not report.ok:
            words = "; ".join([*database.report.messages, report.message])
            raise NoBackup(f"The records in `{path}` do not hold: {words} Take another copy of it.")
        settle(database, home)
        return database.head.seq
    finally:
        database.close()
