"""The database behind the sandbox's copy, a file or a PostgreSQL server: when it has changed, and how it is called."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.settings import variables_of_postgres
from flywheel.tasks import sql_postgres
from flywheel.words.catalogue import say

LOGS = (".wal", "-wal", "-journal")
"""Behind a file's name: the log of DuckDB, and both of SQLite."""
LOOK_SECONDS = 60.0
"""So long a copy of a server's tables serves before its state is asked for again ..."""
LOOK_TIMES = 20
"""... or so many times what copying took, whichever is longer: a busy server is not copied on and on."""


class Source(Protocol):
    """Where the copied tables come from."""

    @property
    def name(self) -> str:
        """As people may read it: no folder and no password."""

    @property
    def address(self) -> str:
        """As the copying child is told."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What the copying child gets as its environment."""

    def state(self) -> object:
        """Another value when the rows have changed. Raises ConfigurationError or Unavailable."""

    def was_copied(self, seconds: float) -> None:
        """Told after each copying how long it took."""


def source_of(database: Path | str) -> Source:
    """A file for a path, a server for an address. Raises ConfigurationError for an address that cannot be read."""
    text = str(database)
    return ServerSource(text) if text.startswith(sql_postgres.SCHEMES) else FileSource(Path(database))


class FileSource:
    """A DuckDB or SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self.name, self.address = self._path.name, str(self._path)
        self.variables: Mapping[str, str] = {}

    def state(self) -> object:
        """Size and time of the file and of its log; they change whenever its rows do."""
        path = self._path
        if not path.is_file():
            raise ConfigurationError(f"There is no database file `{path}`. Name an existing DuckDB or SQLite file.")
        found = []
        for part in (path, *(path.with_name(path.name + log) for log in LOGS)):
            # The log comes and goes with whoever writes.
            with contextlib.suppress(FileNotFoundError):
                found.append((part.stat().st_size, part.stat().st_mtime_ns))
        return tuple(found)

    def was_copied(self, seconds: float) -> None:
        """Nothing follows: looking at a file costs nothing."""


class ServerSource:
    """A PostgreSQL database, called by its name and host."""

    def __init__(self, url: str) -> None:
        import psycopg

        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # libpq repeats what it cannot read, and that may be the password.
            raise ConfigurationError(
                "FLYWHEEL_DATABASE is no address that PostgreSQL's client can read. "
                "Write `postgresql://user:password@host:5432/database`, with special characters as %40 and the like."
            ) from error
        self.address = url
        # Its client reads from there what the address does not say, passwords and certificates among it.
        self.variables: Mapping[str, str] = variables_of_postgres()
        name = parts.get("dbname") or self.variables.get("PGDATABASE") or "the user's own"
        self.name = f"{name} at {parts.get('host') or self.variables.get('PGHOST') or 'localhost'}"
        self._state: object = None
        self._until = 0.0

    def state(self) -> object:
        """What the server counts of changes; asked for anew when the copy has served its time."""
        import psycopg

        if self._state is None or time.monotonic() >= self._until:
            self._state = None
            try:
                self._state = sql_postgres.state(self.address)
            except psycopg.Error as error:
                raise Unavailable(say("error.sql.no_server", database=self.name, reason=reason(str(error)))) from error
            self._until = time.monotonic() + LOOK_SECONDS
        return self._state

    def was_copied(self, seconds: float) -> None:
        """The copy serves longer the longer it took."""
        self._until = time.monotonic() + max(LOOK_SECONDS, LOOK_TIMES * seconds)


def reason(message: str) -> str:
    """What the client of PostgreSQL said, as one line without a full stop."""
    return " ".join(message.split()).removesuffix(".")
