"""One file that holds many: a gzipped tar that begins with the list of all that follows, each with size and sha256.

Nothing in the file is trusted but what agrees with that list, and the list bounds what is ever read or written. Plain
files only; `tar xzf` opens it too. Knows nothing of homes.
"""

import gzip
import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from storage.errors import NoBackup, Unwritten
from storage.files import new_file

LIST = "MANIFEST.json"
FORMAT, FORMAT_VERSION = "flywheel-backup", 1
LONGEST_NAME = 100
"""Bytes that a plain tar header holds."""
_MOST_LISTED = 32 << 20
_CHUNK = 1 << 20
_END = 20 * tarfile.BLOCKSIZE
"""Zeros that may follow the last file."""
_LEVEL = 1
"""Of compression: a database shrinks nearly as much as at 6, in a third of the time, and a chat runs beside it."""


@dataclass(frozen=True)
class Listed:
    """A file as it was when the list was made."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Contents:
    """The list: every file by its name, and facts about the whole."""

    files: dict[str, Listed]
    facts: dict[str, Any]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files.values())


def is_plain(name: str) -> bool:
    """Whether a name stays inside of the folder it is unpacked in, and fits."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and ":" not in name
        and len(name.encode()) <= LONGEST_NAME
        and all(part not in ("", ".", "..") for part in parts)
    )


def listed(sources: Mapping[str, Path], facts: Mapping[str, Any]) -> Contents:
    """The list of these files; reads each once."""
    files = {}
    for name, path in sorted(sources.items()):
        with path.open("rb") as file:
            files[name] = Listed(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())
    return Contents(files, dict(facts))


def write(out: BinaryIO, sources: Mapping[str, Path], contents: Contents) -> Iterator[int]:
    """Write the archive; yields the bytes of each piece that is in. Raises Unwritten where a file changes meanwhile."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, **contents.facts}
    head["files"] = {name: asdict(file) for name, file in contents.files.items()}
    text = (json.dumps(head, indent=1) + "\n").encode()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=_LEVEL) as stream:
        stream.write(_header(LIST, len(text)))
        shutil.copyfileobj(BytesIO(text + _padding(len(text))), stream)
        for name, file in contents.files.items():
            stream.write(_header(name, file.bytes))
            yield from _copied(sources[name], name, file, stream)
            stream.write(_padding(file.bytes))
        stream.write(bytes(2 * tarfile.BLOCKSIZE))


def read_list(path: Path) -> Contents:
    """The list of an archive, itself checked. Raises NoBackup."""
    with _opened(path) as stream:
        return _read_list(stream)


def walk(path: Path, contents: Contents, folder: Path | None = None) -> Iterator[int]:
    """Read the archive to its end and hold it against the list; with `folder`, write the files there.

    Yields the bytes of each piece. Raises NoBackup where anything disagrees with the list.
    """
    with _opened(path) as stream:
        if _read_list(stream) != contents:
            raise NoBackup(f"`{path}` changed while it was read. Try again.")
        left = dict(contents.files)
        while (entry := _next(stream)) is not None:
            name, size = entry
            file = left.pop(name, None)
            if file is None or file.bytes != size:
                raise NoBackup(f"`{path}` holds `{name[:100]}`, which its list does not. It is not taken.")
            yield from _unpacked(stream, name, file, folder)
        if left:
            raise NoBackup(f"`{path}` is cut off: `{min(left)}` is missing. Take another copy of it.")
        _expect_end(stream)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _copied(source: Path, name: str, file: Listed, stream: BinaryIO | gzip.GzipFile) -> Iterator[int]:
    digest, left = hashlib.sha256(), file.bytes
    with source.open("rb") as given:
        while left and (piece := given.read(min(left, _CHUNK))):
            digest.update(piece)
            stream.write(piece)
            left -= len(piece)
            yield len(piece)
    if left or digest.hexdigest() != file.sha256:
        raise Unwritten(f"`{name}` changed while it was copied, so the backup was given up. Make it again.")


@contextmanager
def _opened(path: Path) -> Iterator[gzip.GzipFile]:
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file, mode="rb") as stream:
            yield stream
    except EOFError as error:
        raise NoBackup(f"`{path}` is cut off. Take another copy of it.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise NoBackup(f"`{path}` is damaged, or no backup of Flywheel ({error}). Take another copy of it.") from error
    except OSError as error:
        if str(error.filename) == str(path):
            raise NoBackup(f"`{path}` cannot be read ({error.strerror or error}). Name a backup file.") from error
        raise


def _read(stream: gzip.GzipFile, size: int) -> bytes:
    pieces = []
    while size and (piece := stream.read(min(size, _CHUNK))):
        pieces.append(piece)
        size -= len(piece)
    if size:
        raise EOFError
    return b"".join(pieces)


def _next(stream: gzip.GzipFile) -> tuple[str, int] | None:
    """Name and size of the next file, None at the end. Only plain files with plain names come through."""
    block = _read(stream, tarfile.BLOCKSIZE)
    if not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise NoBackup(
            f"This is no backup of Flywheel, or a damaged one ({error}). Take another copy of it."
        ) from error
    if info.type != tarfile.REGTYPE or info.size < 0 or not is_plain(info.name):
        raise NoBackup(f"The archive holds `{info.name[:100]}`, which is no plain file in it. It is not taken.")
    return info.name, info.size


def _read_list(stream: gzip.GzipFile) -> Contents:
    entry = _next(stream)
    if entry is None or entry[0] != LIST or entry[1] > _MOST_LISTED:
        raise NoBackup(
            f"This is no backup of Flywheel: it does not begin with `{LIST}`. Name a file that `backup` made."
        )
    text = _read(stream, entry[1])
    _read(stream, -entry[1] % tarfile.BLOCKSIZE)
    try:
        given = json.loads(text)
        form, version = given.pop("format"), given.pop("format_version")
        files = {name: Listed(str(file["sha256"]), _size(file["bytes"])) for name, file in given.pop("files").items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoBackup(f"The `{LIST}` of this archive is not understood. Name a file that `backup` made.") from error
    if form != FORMAT:
        raise NoBackup(f"This is `{str(form)[:60]}`, no backup of Flywheel. Name a file that `backup` made.")
    if version != FORMAT_VERSION:
        raise NoBackup(
            f"This backup is of form {str(version)[:20]}, and this Flywheel reads {FORMAT_VERSION}. "
            "Use the Flywheel that made it."
        )
    _expect_plain(files)
    return Contents(files, given)


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _expect_plain(files: Mapping[str, Listed]) -> None:
    for name in files:
        parts = name.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if not is_plain(name) or name == LIST or any(folder in files for folder in above):
            raise NoBackup(f"The archive holds `{name[:100]}`, which is no plain file in it. It is not taken.")


def _unpacked(stream: gzip.GzipFile, name: str, file: Listed, folder: Path | None) -> Iterator[int]:
    """The next file's content, checked; written where a folder is given."""
    digest, left = hashlib.sha256(), file.bytes
    if folder is not None:
        (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with new_file(folder / name, 0o600) if folder is not None else nullcontext() as out:
        while left:
            piece = _read(stream, min(left, _CHUNK))
            digest.update(piece)
            left -= len(piece)
            if out is not None:
                out.write(piece)
            yield len(piece)
    _read(stream, -file.bytes % tarfile.BLOCKSIZE)
    if digest.hexdigest() != file.sha256:
        raise NoBackup(f"`{name}` in the archive is not as it was written. Take another copy of it.")


def _expect_end(stream: gzip.GzipFile) -> None:
    """Nothing but zeros to the very end, whose checksum is read with them."""
    rest = stream.read(_END + 1)
    while len(rest) <= _END and (piece := stream.read(_END)):
        rest += piece
    if len(rest) > _END or rest.strip(b"\0"):
        raise NoBackup("The archive holds more than its list says. It is not taken.")
