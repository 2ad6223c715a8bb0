"""A home as one file, made while everything goes on.

What a backup holds: the database (a consistent copy that the engine makes beside its writers), the ledger's side file
as of that copy, both keys, and the folders of the datasets, runs and versions that the copy knows. What can be made
again (the sample database, checkpoints unless asked for) and what belongs to this machine (the lock, process ids) is
left out. Knows no roles and no models.
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import archive
from storage.chain import Head, Tail
from storage.database import Database
from storage.datasets import DatasetStore
from storage.errors import DiskFull, StorageError, Unwritten
from storage.files import fsync_dir, new_file
from storage.home import Home
from storage.runs import ACTIVE, RunStore
from storage.versions import VersionStore

CHECKPOINTS = "checkpoints"
STAGING = ".backup-"
_KEYS = ("secret.key", "owner.key", "bases.json")
_LEFT_OUT = ("process.json",)
"""Says which process works on a run, here and now: elsewhere it would name a stranger."""
_GROWING = (".jsonl", ".txt")
"""Files that programs append to; every other file is only ever replaced whole."""


@dataclass(frozen=True)
class Step:
    """How far it is: words, and 0 to 1 where that is known."""

    words: str
    fraction: float | None = None


@dataclass(frozen=True)
class Packed:
    """What went into a backup."""

    file: str
    bytes: int
    """Of the file itself."""
    records: int
    """Lines of the ledger."""
    files: int
    left_out: list[str] = field(default_factory=list)
    """Links and odd names in the folders, which no backup holds."""


@dataclass(frozen=True)
class _Choice:
    """What of the folders goes in: name in the archive → file, and which of those may change while they are read."""

    files: dict[str, Path]
    growing: set[str]
    left_out: list[str]


def pack(
    db: Database, home: Home, out: Path, facts: Mapping[str, Any], *, checkpoints: bool = False
) -> Generator[Step, None, Packed]:
    """Make the backup `out`, whole or not at all; writers go on meanwhile.

    Raises StorageError where `out` exists or cannot be written, DiskFull.
    """
    _expect_free(out)
    staging = home.path / f"{STAGING}{secrets.token_hex(4)}"
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        for left in home.path.glob(f"{STAGING}*"):
            shutil.rmtree(left)
        staging.mkdir(mode=0o700)
        yield Step("copying the database")
        db.backup(staging / home.database.name)
        head, choice = _chosen(staging, home, checkpoints)
        yield Step("listing the files")
        sources = _staged(staging, home, head, choice)
        contents = archive.listed(sources, {**facts, "ledger": {"seq": head.seq, "hash": head.hash}})
        with new_file(part, 0o600) as file:
            yield from counted("packing", archive.write(file, sources, contents), contents.bytes)
        _put(part, out)
    except OSError as error:
        raise in_words(out, error) from error
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
    return Packed(str(out), out.stat().st_size, head.seq, len(sources), choice.left_out)


def _expect_free(out: Path) -> None:
    if out.is_dir():
        raise StorageError(f"`{out}` is a folder. Name a file in it, for example `{out / 'flywheel.tar.gz'}`.")
    if os.path.lexists(out):
        raise StorageError(f"`{out}` exists already. Name a new file for the backup.")
    if not out.parent.is_dir():
        raise StorageError(f"There is no folder `{out.parent}`. Make it first, or name another file.")


def _chosen(staging: Path, home: Home, checkpoints: bool) -> tuple[Head, _Choice]:
    """The ledger's head in the copy, and the files of all that the copy knows."""
    copy = Database.look(staging / home.database.name, staging / home.ledger_tail.name)
    try:
        runs = RunStore(copy).list(limit=10**9)
        folders = [home.dataset_dir(version.id) for version in DatasetStore(copy).list()]
        folders += [home.version_dir(version.id) for version in VersionStore(copy).list()]
        folders += [home.run_dir(run.number) for run in runs]
        active = {home.run_dir(run.number) for run in runs if run.state in ACTIVE}
        head = copy.head
    finally:
        copy.close()
    choice = _Choice({}, set(), [])
    for folder in folders:
        for path in sorted(_files_below(folder, checkpoints, choice.left_out)):
            name = path.relative_to(home.path).as_posix()
            if not archive.is_plain(name):
                choice.left_out.append(name)
                continue
            choice.files[name] = path
            if folder in active or (path.suffix in _GROWING and folder.parent == home.runs):
                choice.growing.add(name)
    return head, choice


def _files_below(folder: Path, checkpoints: bool, left_out: list[str]) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_symlink():
            left_out.append(str(path))
        elif path.name.startswith(".") or path.name in _LEFT_OUT or (path.name == CHECKPOINTS and not checkpoints):
            continue
        elif path.is_dir():
            yield from _files_below(path, checkpoints, left_out)
        elif path.is_file():
            yield path


def _staged(staging: Path, home: Home, head: Head, choice: _Choice) -> dict[str, Path]:
    """Everything under the staging folder, where nothing changes it any more."""
    tail = Tail(staging / home.ledger_tail.name)
    tail.write(head)
    tail.close()
    sources = {name: staging / name for name in (home.database.name, home.ledger_tail.name)}
    for name, path in {**{key: home.path / key for key in _KEYS}, **choice.files}.items():
        pinned = staging / name
        pinned.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What was deleted since the copy of the database is not missed: whoever deleted it said so there.
        with contextlib.suppress(FileNotFoundError):
            _pin(path, pinned, copied=name in choice.growing)
            sources[name] = pinned
    return sources


def _pin(path: Path, pinned: Path, *, copied: bool) -> None:
    """A second name for a file that is only ever replaced whole costs nothing; a growing one has to be copied."""
    if not copied:
        with contextlib.suppress(OSError):
            os.link(path, pinned)
            return
    shutil.copyfile(path, pinned)


def _put(part: Path, out: Path) -> None:
    """Give the finished file its name, never another file's."""
    try:
        os.link(part, out)
    except FileExistsError as error:
        raise StorageError(f"`{out}` exists already. Name a new file for the backup.") from error
    except OSError:
        # Some file systems have no second names.
        _expect_free(out)
        part.rename(out)
    fsync_dir(out.parent)


def counted(words: str, pieces: Iterator[int], total: int) -> Iterator[Step]:
    """A step for each percent of `total` bytes."""
    done, told = 0, -1
    for size in pieces:
        done += size
        if (percent := 100 * done // max(1, total)) > told:
            told = percent
            yield Step(words, done / max(1, total))


def in_words(path: Path, error: OSError) -> StorageError:
    """What a person can do about a file that cannot be written; what is in words already stays as it is."""
    if isinstance(error, StorageError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"There is no room for `{path}`, and nothing of it was kept. Free some space and try again.")
    return Unwritten(f"`{path}` cannot be written ({error.strerror or error}). Name another place.")
