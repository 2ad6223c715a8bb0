"""The SQL guard without a database: is this text one harmless SELECT over these tables?

Parsing happens in a child process under the sandbox's limits, because some short texts cost the engine's parser
seconds or gigabytes. Nothing is ever executed. `SqlSandbox` applies the same guard before it runs a statement.
"""

import tempfile
import threading
import weakref
from collections.abc import Collection, Mapping
from pathlib import Path

from flywheel.tasks.sql_rules import Verdict, strip_fence
from flywheel.tasks.sql_sandbox import SqlServer, finish, judged

__all__ = ["Verdict", "check", "strip_fence"]

PARSE_SECONDS = 2.0


class _Parser:
    """One parsing child for the whole process, started by the first check, ended with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: SqlServer | None = None

    def server(self) -> SqlServer:
        with self._lock:
            if self._server is None:
                folder = Path(tempfile.mkdtemp(prefix="flywheel-sql-"))
                self._server = SqlServer(folder, None, seconds=PARSE_SECONDS, max_rows=0, memory_mb=256)
                weakref.finalize(self, finish, self._server, folder)
            return self._server


_parser = _Parser()


def check(statement: str, tables: Mapping[str, Collection[str]] | Collection[str]) -> Verdict:
    """Whether `statement` is one SELECT that names only `tables` (names, or name → columns) and harmless functions.

    Takes the text as it is: call `strip_fence` first, and run exactly what was checked. Raises Unavailable when the
    parsing child cannot be started.
    """
    return judged(statement, tables, _parser.server())
