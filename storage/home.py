"""The home: one directory that holds everything which outlives the process, and the names in it.

Owns the two key files. Knows nothing of what is in the database.
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.errors import DiskFull, HomeUnwritable, StorageError
from storage.files import fsync_dir, write_durable

_SECRET_BYTES = 32
_TOKEN_BYTES = 24


@dataclass(frozen=True)
class Home:
    """Paths under one directory; made by `Home.open`."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "Home":
        """Create what is missing (0700) and try to write. Raises HomeUnwritable or DiskFull, naming the path."""
        home = cls(path.expanduser().absolute())
        try:
            for directory in (home.path, home.runs, home.versions, home.datasets):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=home.path) as probe:
                probe.write(b"writable")
                probe.flush()
        except OSError as error:
            raise _in_words(home.path, error) from error
        return home

    @property
    def database(self) -> Path:
        return self.path / "flywheel.duckdb"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def ledger_tail(self) -> Path:
        return self.path / "ledger.tail"

    @property
    def secret_key(self) -> Path:
        return self.path / "secret.key"

    @property
    def owner_key(self) -> Path:
        return self.path / "owner.key"

    @property
    def bases(self) -> Path:
        """Which commit of a base model on the Hub this home works with, by its name as it was given."""
        return self.path / "bases.json"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def versions(self) -> Path:
        return self.path / "versions"

    @property
    def merged(self) -> Path:
        """Merged models: a cache, made when the first is asked for."""
        return self.path / "merged"

    @property
    def datasets(self) -> Path:
        return self.path / "datasets"

    def run_dir(self, n: int) -> Path:
        return self.runs / str(n)

    def version_dir(self, v: str) -> Path:
        return self.versions / v

    def merged_dir(self, v: str) -> Path:
        return self.merged / v

    def dataset_dir(self, d: str) -> Path:
        return self.datasets / d

    def secret(self) -> bytes:
        """32 random bytes that sign cookies; made at the first call, the same ever after."""
        content = _made_once(self.secret_key, lambda: secrets.token_bytes(_SECRET_BYTES))
        if len(content) != _SECRET_BYTES:
            raise StorageError(
                f"`{self.secret_key}` holds {len(content)} bytes instead of {_SECRET_BYTES}. "
                "Delete it to have a new one made; everyone then starts as a new guest."
            )
        return content

    def owner_token(self) -> str:
        """The token of the owner's sign-in link; made at the first call, the same ever after."""
        content = _made_once(self.owner_key, lambda: secrets.token_urlsafe(_TOKEN_BYTES).encode())
        token = content.decode("ascii", errors="replace").strip()
        if len(token) < _TOKEN_BYTES:
            raise StorageError(f"`{self.owner_key}` holds no usable token. Delete it to have a new one made.")
        return token


def _made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
            write_durable(temporary, make(), mode=0o600)
            try:
                # A link never replaces: of two processes that get here together, one wins and both read its key.
                os.link(temporary, path)
            except FileExistsError:
                return path.read_bytes()
            finally:
                temporary.unlink()
            fsync_dir(path.parent)
        return path.read_bytes()
    except OSError as error:
        raise _in_words(path, error) from error


def _in_words(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"The disk under `{path}` is full. Free some space and start again.")
    reason = error.strerror or type(error).__name__
    return HomeUnwritable(
        f"`{path}` cannot be used: {reason}. Name a directory you may write in `FLYWHEEL_HOME`, or change its rights."
    )
