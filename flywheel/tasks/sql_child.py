"""The child program of the SQL sandbox: parses any text, runs judged statements on a private copy, under hard limits.

Run by its path, never imported; knows the standard library and duckdb alone. Talks in lines of JSON over its pipes.
The first line is its settings; with `source` it copies the allowed tables into `copy`, answers and ends, else it
answers requests until the pipe closes. A closed pipe means that the owner is gone: it removes its folder and dies.
"""

import ctypes
import datetime
import decimal
import importlib
import json
import math
import os
import queue
import re
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MAX_RESULT_BYTES = 1_000_000
MAX_TREE_CHARS = 4_000_000
FETCH_ROWS = 64
TRIP_SECONDS = 0.25
"""After so long no other statement of a trip is begun; the owner asks for the rest again."""
HARDENED = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",
    "threads": "1",
}
SERIALISE = "SELECT json_serialize_sql(?::VARCHAR, skip_null := true, skip_empty := true)"
# An engine that ran out of memory keeps some of it; such a child is replaced.
_OUT_OF_MEMORY = {"error": "memory", "spent": True}


def main() -> None:
    settings = json.loads(sys.stdin.buffer.readline())
    # Before any thread exists and before the engine is loaded: a new namespace needs a single thread. The copying
    # child stays where it is: in a new namespace root could no longer read another user's database file.
    offline = "source" not in settings and _leave_network()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, settings["folder"]), daemon=True).start()
    try:
        if "source" in settings:
            answer = copy_tables(settings)
        else:
            server = Server(settings)
            answer = {"ready": True, "offline": offline}
    except Exception as error:
        _send({"failed": type(error).__name__, "message": str(error)})
        return
    _send(answer)
    while "source" not in settings:
        _send(server.answer(json.loads(requests.get())))


def _listen(requests: "queue.SimpleQueue[bytes]", folder: str) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _send(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer, allow_nan=False).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def _leave_network() -> bool:
    """True when this process now has a network namespace of its own, without any interface."""
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    return unshare is not None and (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 or unshare(CLONE_NEWNET) == 0)


def copy_tables(settings: dict[str, Any]) -> dict[str, Any]:
    """Copies tables of `source` into the new file `copy`: {"tables": {name: [[column, type], …]}, "missing": […]}."""
    import duckdb

    limits: dict[str, Any] = {"temp_directory": settings["folder"], "memory_limit": "1GB", "threads": "2"}
    # This program is run alone, so that what stands beside it has to be named.
    sys.path.append(str(Path(__file__).parent))
    lite, postgres = (importlib.import_module(name) for name in ("sql_lite", "sql_postgres"))
    answer: dict[str, Any]
    if settings["source"].startswith(postgres.SCHEMES):
        with duckdb.connect(settings["copy"], config=limits) as target:
            answer = postgres.copy_tables(settings["source"], target, settings["tables"], settings["folder"])
        return answer
    if lite.is_sqlite(settings["source"]):
        with duckdb.connect(settings["copy"], config=limits) as target:
            answer = lite.copy_tables(settings["source"], target, settings["tables"])
        return answer
    engine = duckdb.connect(settings["source"], read_only=True, config=limits)
    engine.execute(f"ATTACH {_quoted(settings['copy'], chr(39))} AS sandbox_copy (READ_WRITE)")
    engine.execute("SET enable_external_access = false")
    here = "database_name = current_database() AND schema_name = 'main' AND NOT internal"
    bases = _names(engine, f"SELECT table_name FROM duckdb_tables() WHERE {here} AND NOT temporary ORDER BY table_oid")
    views = _names(engine, f"SELECT view_name FROM duckdb_views() WHERE {here}")
    by_name = {name.lower(): name for name in [*views, *bases]}
    wanted = settings["tables"] if settings["tables"] is not None else bases
    missing = [name for name in wanted if name.lower() not in by_name]
    if missing:
        return {"tables": {}, "missing": missing, "existing": bases}
    tables = {}
    for name in dict.fromkeys(by_name[name.lower()] for name in wanted):
        table = _quoted(name, '"')
        engine.execute(f"CREATE TABLE sandbox_copy.main.{table} AS FROM main.{table}")
        described = engine.execute(f"DESCRIBE sandbox_copy.main.{table}").fetchall()
        tables[name] = [[column[0], column[1]] for column in described]
    engine.execute("DETACH sandbox_copy")
    engine.close()
    return {"tables": tables, "missing": []}


def _names(engine: Any, sql: str) -> list[str]:
    return [row[0] for row in engine.execute(sql).fetchall()]


def _quoted(name: str, mark: str) -> str:
    return mark + name.replace(mark, mark * 2) + mark


class Server:
    """Answers `parse` (never executes the text) and `run` (one SELECT, a fresh connection, on the read-only copy)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import duckdb

        self._duckdb = duckdb
        self._seconds: float = settings["seconds"]
        self._max_rows: int = settings["max_rows"]
        config: dict[str, Any] = {
            **HARDENED,
            "memory_limit": f"{settings['memory_mb']}MB",
            "max_execution_time": str(int(self._seconds * 1000)),
        }
        self._parser = duckdb.connect(":memory:", config=config)
        # It only ever runs statements of ours that have nothing to optimise; the usual one is parsed here once.
        self._parser.execute("PRAGMA disable_optimizer")
        self._parser.execute("SET lock_configuration = true")
        self._serialise = self._parser.extract_statements(SERIALISE)[0]
        self._parser.execute(self._serialise, ["SELECT 1"]).fetchall()
        self._data = None
        if settings["copy"] is not None:
            self._data = duckdb.connect(settings["copy"], read_only=True, config=config)
            self._data.execute("SET GLOBAL TimeZone = 'UTC'")
            self._data.execute("SET lock_configuration = true")
        megabytes = settings["address_mb"] << 20
        resource.setrlimit(resource.RLIMIT_AS, (megabytes, megabytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; `"error"` is "time", "memory" or a sentence, `"spent"` asks to be replaced."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        # A second stop, should the owner be too busy to kill: the kernel ends a child that computes on and on.
        spent = int(used.ru_utime + used.ru_stime) + 2 * math.ceil(self._seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.RLIM_INFINITY))
        if "try" in request:
            return self._try(request["try"])
        if "parse" in request:
            return self._caught(self._parse, request["parse"])
        if "parse_all" in request:
            return self._caught(self._parse_all, request["parse_all"])
        return self._caught(self._run, request["run"])

    def _caught(self, work: Callable[[Any], dict[str, Any]], of: Any) -> dict[str, Any]:
        try:
            return work(of)
        except (self._duckdb.Error, MemoryError, RecursionError, ValueError, RuntimeError) as error:
            return self._failure(error)

    def _try(self, texts: list[str]) -> dict[str, Any]:
        """Runs statements one after the other and tells of each what failed, not what it gave; of the first ones only,
        when they take long. Each has limits of its own."""
        answers: list[dict[str, Any]] = []
        began = time.monotonic()
        for text in texts:
            answer = self._caught(self._run, text)
            answers.append({"error": answer["error"]})
            if answer.get("spent") or time.monotonic() - began > TRIP_SECONDS:
                return {"answers": answers, "spent": bool(answer.get("spent"))}
        return {"answers": answers}

    def _parse_all(self, texts: list[str]) -> dict[str, Any]:
        """As `_parse`, of many texts at once: most of what one costs is the way to the parser."""
        of = "(SELECT unnest(?::VARCHAR[]) AS t)"
        serialised = f"SELECT json_serialize_sql(t, skip_null := true, skip_empty := true) FROM {of}"
        trees = self._parser.execute(serialised, [texts]).fetchall()
        answers = [self._parsed(text, tree) for text, (tree,) in zip(texts, trees, strict=True)]
        return {"answers": answers, "spent": any(answer.get("spent") for answer in answers)}

    def _parse(self, text: str) -> dict[str, Any]:
        return self._parsed(text, self._parser.execute(self._serialise, [text]).fetchall()[0][0])

    def _parsed(self, text: str, tree: str) -> dict[str, Any]:
        if len(tree) > MAX_TREE_CHARS:
            return {"error": "memory"}
        if tree.startswith('{"error":true'):
            out_of_memory = json.loads(tree)["error_type"] == "out of memory"
            return _OUT_OF_MEMORY if out_of_memory else {"tree": tree, "kinds": [], "parameters": 0}
        statements = self._parser.extract_statements(text)
        kinds = [statement.type.name for statement in statements]
        return {"tree": tree, "kinds": kinds, "parameters": sum(len(s.named_parameters) for s in statements)}

    def _run(self, text: str) -> dict[str, Any]:
        assert self._data is not None, "this child has no data"
        connection = self._data.cursor()
        try:
            statements = connection.extract_statements(text)
            if [statement.type.name for statement in statements] != ["SELECT"]:
                return {"error": "Only one SELECT statement is run."}
            connection.execute(statements[0])
            columns = [column[0] for column in connection.description]
            rows, truncated = self._fetch(connection)
        finally:
            connection.close()
        return {"columns": columns, "rows": rows, "truncated": truncated, "error": None}

    def _fetch(self, connection: Any) -> tuple[list[list[Any]], bool]:
        rows: list[list[Any]] = []
        room = MAX_RESULT_BYTES
        while batch := connection.fetchmany(FETCH_ROWS):
            for values in batch:
                row = [plain(value) for value in values]
                room -= len(json.dumps(row, allow_nan=False))
                if len(rows) == self._max_rows or room < 0:
                    return rows, True
                rows.append(row)
        return rows, False

    def _failure(self, error: Exception) -> dict[str, Any]:
        if isinstance(error, self._duckdb.InterruptException):
            return {"error": "time"}
        if isinstance(error, (MemoryError, self._duckdb.OutOfMemoryException)) or "bad_alloc" in str(error):
            return _OUT_OF_MEMORY
        broken = isinstance(error, (self._duckdb.InternalException, self._duckdb.FatalException))
        return {"error": sentence(str(error)), "spent": broken}


def plain(value: Any) -> Any:
    """A value of the engine as JSON can hold it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        if value.as_tuple().exponent == 0:
            return int(value)
        # Money is exact: what a float cannot hold stays as its digits.
        return float(value) if decimal.Decimal(repr(float(value))) == value else str(value)
    if value in (datetime.date.max, datetime.date.min):
        # The engine's infinite dates arrive as these; a date that nobody stored must not be told.
        return "infinity" if value == datetime.date.max else "-infinity"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def sentence(message: str) -> str:
    """The engine's message as one sentence without its class name, its hints and any path."""
    first = re.sub(r"^[A-Za-z ]*Error: ", "", message.strip().split("\n", 1)[0]).strip()
    if not first or re.search(r"(?:/[\w.\-]+){2,}", first) or "INTERNAL" in message[:20]:
        return "The database could not run this statement."
    return first[:300].rstrip(".!") + "."


if __name__ == "__main__":
    main()
