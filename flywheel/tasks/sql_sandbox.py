"""The SQL sandbox: judged statements run in a child process, on a private copy of the allowed tables.

Owns the copy and which child serves. The copy is made again when the database changes, so that is open only for the
moment of copying and no statement ever touches it.
One child serves many statements, one at a time, each on a fresh connection; a child that overruns is killed and the
next statement starts another. Knows neither models nor chats; what is allowed is decided in `sql_rules`.
"""

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flywheel.errors import FlywheelError, Unavailable
from flywheel.tasks.sql_copy import tables_of
from flywheel.tasks.sql_process import DEATHS, Died, Overrun, SqlChild
from flywheel.tasks.sql_rules import Verdict, judge, strip_fence, text_problem
from flywheel.tasks.sql_source import Source, source_of
from flywheel.words.catalogue import say

START_SECONDS = 30.0
COPY_SECONDS = 300.0
# What the engine's own clock needs to stop a statement and what a result needs to travel, on top of `seconds`.
GRACE_SECONDS = 0.5
COPY_NAME = "flywheel_sandbox.duckdb"


@dataclass(frozen=True)
class SqlResult:
    """What became of one statement. `rows` hold JSON values; `error` is "time", "memory", a sentence or None."""

    accepted: bool
    reason: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    truncated: bool = False
    error: str | None = None
    seconds: float = 0.0


class SqlServer:
    """Keeps one serving child alive: starts it when needed, replaces it when spent. Thread-safe.

    `copy` is the file with the tables, or None for a server that can only parse.
    """

    def __init__(self, folder: Path, copy: Path | None, *, seconds: float, max_rows: int, memory_mb: int) -> None:
        self._settings = {
            "folder": str(folder), "copy": None if copy is None else str(copy), "seconds": seconds,
            "max_rows": max_rows, "memory_mb": memory_mb, "address_mb": 1024 + 2 * memory_mb,
        }  # fmt: skip
        self._empty = folder / "empty"
        self._empty.mkdir(exist_ok=True)
        self._seconds = seconds
        self._child: SqlChild | None = None
        self._lock = threading.RLock()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The child's answer, {"error": "time" | "memory" | sentence} when it had to be replaced."""
        with self._lock:
            child = self.start()
            try:
                answer = child.ask(request, self._seconds + GRACE_SECONDS)
            except Overrun:
                answer = {"error": "time", "spent": True}
            except Died as death:
                answer = {
                    "error": DEATHS.get(death.args[0], "The database could not run this statement."),
                    "spent": True,
                }
            if answer.get("spent"):
                self.stop()
            return answer

    def start(self) -> SqlChild:
        """The child, started if there is none. Raises Unavailable when it cannot start."""
        with self._lock:
            if self._child is None:
                child = SqlChild(self._settings, self._empty, START_SECONDS)
                if "failed" in child.greeting:
                    child.kill()
                    raise Unavailable(say("error.sql.not_started", reason=child.greeting["message"]))
                self._child = child
            return self._child

    def stop(self) -> None:
        """Ends the child; the next question starts another."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                child.kill()


def judged(text: str, tables: Collection[str], server: SqlServer) -> Verdict:
    """The guard's verdict on `text`: its bytes, then the engine's parse of it in the child, then the rules."""
    problem = text_problem(text)
    if problem is not None:
        return Verdict(False, problem)
    parsed = server.ask({"parse": text})
    if "tree" in parsed:
        return judge(parsed, tables)
    return Verdict(False, say("guard.too_complex") if parsed["error"] in ("time", "memory") else parsed["error"])


class SqlSandbox:
    """Checks and runs statements against the allowed tables of one database. Thread-safe.

    `database`: a DuckDB or SQLite file, or the address of a PostgreSQL database. `tables`: None for all base tables
    that can be read; a view only by its name. `seconds` and `memory_mb` bound one statement. Raises ConfigurationError
    (no such database or table) or Unavailable (open for writing elsewhere, or no server there).
    """

    def __init__(
        self,
        database: Path | str,
        tables: Collection[str] | None = None,
        *,
        seconds: float = 2.0,
        max_rows: int = 1000,
        memory_mb: int = 256,
    ) -> None:
        self._source = source_of(database)
        self._wanted = None if tables is None else list(tables)
        self._folder = Path(tempfile.mkdtemp(prefix="flywheel-sql-"))
        self._copy = self._folder / COPY_NAME
        self._limits: dict[str, Any] = {"seconds": seconds, "max_rows": max_rows, "memory_mb": memory_mb}
        self._server = self.spare()
        self._finish = weakref.finalize(self, finish, self._server, self._folder)
        # Held from the look at the file to the answer: nobody renews the copy under a running statement.
        self._lock = threading.RLock()
        self._state: object = None
        self._tables: dict[str, list[tuple[str, str]]] = {}
        try:
            self._refresh()
        except FlywheelError:
            self.close()
            raise

    def tables(self) -> dict[str, list[tuple[str, str]]]:
        """The allowed tables, name → (column, type) in order."""
        return self._refresh()

    @property
    def copied(self) -> object:
        """What the copy was made of; another value when it was made anew."""
        return self._state

    def check(self, statement: str) -> Verdict:
        """The guard's verdict; nothing is executed. Raises Unavailable when the database or the child is."""
        return self._judged(strip_fence(statement))

    def run(self, statement: str) -> SqlResult:
        """The guard's verdict and, when accepted, what the statement gave. Words, never an exception, on failure."""
        started = time.monotonic()
        text = strip_fence(statement)
        try:
            with self._lock:
                verdict = self._judged(text)
                answer = self._server.ask({"run": text}) if verdict.accepted else {}
        except FlywheelError as error:
            verdict, answer = Verdict(False, str(error)), {"error": str(error)}
        return SqlResult(
            verdict.accepted, verdict.reason, answer.get("columns", []), answer.get("rows", []),
            answer.get("truncated", False), answer.get("error"), time.monotonic() - started,
        )  # fmt: skip

    def spare(self) -> SqlServer:
        """Another server on the same copy, which whoever asked for it stops."""
        return SqlServer(self._folder, self._copy, **self._limits)

    def close(self) -> None:
        """Ends the child and removes the copy. Safe to call twice."""
        self._finish()

    def _judged(self, text: str) -> Verdict:
        with self._lock:
            tables = {name: [column for column, _ in columns] for name, columns in self._refresh().items()}
            return judged(text, tables, self._server)

    def _refresh(self) -> dict[str, list[tuple[str, str]]]:
        with self._lock:
            state = self._source.state()
            if state != self._state:
                self._server.stop()
                self._state = None
                began = time.monotonic()
                self._tables = _copied(self._source, self._wanted, self._folder, self._copy)
                self._source.was_copied(time.monotonic() - began)
                # Started at once: should this process be killed, its child removes the copy.
                self._server.start()
                self._state = state
            return self._tables


def finish(server: SqlServer, folder: Path) -> None:
    """Ends the child and removes its folder."""
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _copied(source: Source, wanted: list[str] | None, folder: Path, copy: Path) -> dict[str, list[tuple[str, str]]]:
    """Copies in a child of its own, so that an open connection of this process to a file is left alone."""
    copy.unlink(missing_ok=True)
    settings = {"source": source.address, "tables": wanted, "folder": str(folder), "copy": str(copy)}
    try:
        child = SqlChild(settings, folder, COPY_SECONDS, source.variables)
    except Unavailable as error:
        if isinstance(error.__cause__, Overrun):
            minutes = round(COPY_SECONDS / 60)
            raise Unavailable(say("error.sql.too_large", database=source.name, minutes=minutes)) from error
        raise
    child.kill()
    return tables_of(child.greeting, source)
