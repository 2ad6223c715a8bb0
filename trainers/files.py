"""Files that appear whole: written beside, synced, renamed; and manifests that tell when one was damaged since.

Standard library alone. Knows no run directory.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"


class JobError(ValueError):
    """A run directory that cannot be used as it is. The message is fit for a person."""


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; JobError names the file when it is missing or is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise JobError(f"{path} is missing. Put it back and try again.") from error
    except ValueError as error:
        raise JobError(f"{path} is no JSON ({error}). Write it again.") from error
    if not isinstance(value, dict):
        raise JobError(f"{path} holds no JSON object. Write it again.")
    return value


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, sync, rename, sync the folder: a reader sees the old file or the new one, also after a crash."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Bring a file that another library wrote to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    sync_file(folder)


def sha256_of(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Write MANIFEST.json: sha256 and size of each named file, paths relative to `folder`."""
    files = {}
    for name in sorted(names):
        files[name] = {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
    write_json(folder / MANIFEST, {"files": files})


def verify_manifest(folder: Path, names: Iterable[str] | None = None) -> list[str]:
    """What is wrong with the files that MANIFEST.json lists, in words; empty when all are as they were written.

    With `names` only those are looked at, and each must be listed.
    """
    try:
        listed = read_json(folder / MANIFEST).get("files")
    except JobError as error:
        return [str(error)]
    if not isinstance(listed, dict) or not listed:
        return [f"{folder / MANIFEST} lists no files"]
    problems = []
    for name in sorted(listed if names is None else names):
        path, entry = folder / name, listed.get(name)
        if not path.resolve().is_relative_to(folder.resolve()):
            problems.append(f"{name} lies outside {folder}")
        elif not isinstance(entry, dict):
            problems.append(f"{name} is not listed in {folder / MANIFEST}")
        elif not path.is_file():
            problems.append(f"{name} is missing")
        elif sha256_of(path) != entry.get("sha256"):
            problems.append(f"{name} is damaged: its sha256 is not the one in {MANIFEST}")
    return problems
