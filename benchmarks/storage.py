"""Durable acknowledged rows per second: this storage against sqlite3, in one run, on one disk.

Every client writes one turn of a conversation and waits until it is told that the row will survive a power cut;
then it writes the next. `python -m benchmarks.storage [--seconds S] [--writers N] [--home DIR]`.

sqlite3 has a write-ahead log and synchronous=FULL, one row per commit, in two ways: a connection per thread, where
the writers poll for the lock, and one connection behind a lock; the faster of the two is what ours is held against.
For honesty it also runs behind a group-committing thread like ours. Ours also writes a hashed ledger line per row.
"""

import argparse
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.database import Database
from storage.ids import new_id
from storage.ledger import verify
from storage.transaction import Transaction

TEXT = "SELECT region, sum(total) FROM orders GROUP BY region ORDER BY 2 DESC; " * 6
DETAILS = {"base": "starter", "sampling": {"temperature": 0.0}, "prompt_tokens": 40, "total_ms": 412.5}
COLUMNS = "id, conversation_id, parent_id, role, content, state, version, source, details, created, created_by"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="per contender")
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3, help="contenders take turns; the medians are compared")
    parser.add_argument("--home", type=Path, default=None, help="a directory on the disk to be measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    contenders: dict[str, Callable[[Path, int, float], tuple[float, list[float]]]] = {
        "flywheel": flywheel,
        "sqlite3 FULL": sqlite_full,
        "sqlite3 FULL, one lock": sqlite_locked,
        "sqlite3 FULL, group commit": sqlite_grouped,
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    waits: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, contender in contenders.items():
            with tempfile.TemporaryDirectory(dir=options.home) as directory:
                rate, waited = contender(Path(directory), options.writers, options.seconds)
            rates[name].append(rate)
            waits[name].extend(waited)
    report = {name: summary(rates[name], waits[name]) for name in contenders}
    rival = max(report["sqlite3 FULL"]["rows_per_s"], report["sqlite3 FULL, one lock"]["rows_per_s"])
    ratio = report["flywheel"]["rows_per_s"] / rival
    if options.json:
        print(json.dumps({"writers": options.writers, "ratio": round(ratio, 2), **report}))
        return
    print(f"{options.writers} writers, one row each, durable before the answer")
    for name, figures in report.items():
        rate, p50, p99 = (figures[key] for key in ("rows_per_s", "p50_ms", "p99_ms"))
        print(f"{name:28} {rate:8.0f} rows/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")
    print(f"{'flywheel / best sqlite3 FULL':28} {ratio:8.2f}")


def summary(rates: list[float], waits: list[float]) -> dict[str, float]:
    ordered = sorted(waits)
    return {
        "rows_per_s": round(statistics.median(rates), 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
        "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 2),
    }


def flywheel(directory: Path, writers: int, seconds: float) -> tuple[float, list[float]]:
    db = Database.open(directory / "flywheel.duckdb", directory / "ledger.tail")

    def client(number: int) -> Callable[[], None]:
        def write() -> None:
            row = turn(number)

            def job(tx: Transaction) -> None:
                tx.append("turns", row)

            db.write(job, by="bench")

        return write

    figures = drive(client, writers, seconds)
    proof = verify(db)
    db.close()
    if not proof.ok or proof.rows != len(figures[1]):
        raise SystemExit(f"the ledger does not hold: {proof}")
    return figures


def sqlite_full(directory: Path, writers: int, seconds: float) -> tuple[float, list[float]]:
    path = directory / "turns.sqlite"
    created(path)
    open_ones = threading.local()

    def client(number: int) -> Callable[[], None]:
        def write() -> None:
            if not hasattr(open_ones, "connection"):
                open_ones.connection = connect(path)
            open_ones.connection.execute(INSERT, cells(turn(number)))

        return write

    return drive(client, writers, seconds)


def sqlite_locked(directory: Path, writers: int, seconds: float) -> tuple[float, list[float]]:
    connection = created(directory / "turns.sqlite")
    lock = threading.Lock()

    def client(number: int) -> Callable[[], None]:
        def write() -> None:
            row = cells(turn(number))
            with lock:
                connection.execute(INSERT, row)

        return write

    return drive(client, writers, seconds)


def sqlite_grouped(directory: Path, writers: int, seconds: float) -> tuple[float, list[float]]:
    path = directory / "turns.sqlite"
    created(path)
    waiting: list[tuple[tuple[Any, ...], threading.Event]] = []
    ready = threading.Condition()
    ended = False

    def committer() -> None:
        nonlocal waiting
        connection = connect(path)
        while True:
            with ready:
                while not waiting and not ended:
                    ready.wait()
                batch, waiting = waiting, []
            if not batch:
                return
            connection.execute("BEGIN")
            connection.executemany(INSERT, [row for row, _ in batch])
            connection.execute("COMMIT")
            for _, done in batch:
                done.set()

    def client(number: int) -> Callable[[], None]:
        def write() -> None:
            done = threading.Event()
            row = cells(turn(number))
            with ready:
                waiting.append((row, done))
                ready.notify()
            done.wait()

        return write

    thread = threading.Thread(target=committer)
    thread.start()
    figures = drive(client, writers, seconds)
    with ready:
        ended = True
        ready.notify()
    thread.join()
    return figures


INSERT = f"INSERT INTO turns VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def created(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute(f"CREATE TABLE turns ({COLUMNS.replace('id,', 'id TEXT PRIMARY KEY,', 1)})")
    return connection


def turn(number: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "conversation_id": f"conversation-{number}",
        "parent_id": None,
        "role": "assistant",
        "content": TEXT,
        "state": "complete",
        "version": "v0",
        "source": "page",
        "details": DETAILS,
        "created": datetime.now(UTC),
        "created_by": f"guest:{number}",
    }


def cells(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        json.dumps(value) if isinstance(value, dict) else value.isoformat() if isinstance(value, datetime) else value
        for value in row.values()
    )


def drive(client: Callable[[int], Callable[[], None]], writers: int, seconds: float) -> tuple[float, list[float]]:
    """Rows per second over all writers, and how long each row waited (seconds)."""
    waits: list[list[float]] = [[] for _ in range(writers)]
    start = threading.Barrier(writers + 1)
    deadline = float("inf")

    def run(number: int) -> None:
        write = client(number)
        start.wait()
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            write()
            waits[number].append(time.perf_counter() - began)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    deadline = began + seconds
    start.wait()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    flat = [wait for per_writer in waits for wait in per_writer]
    return len(flat) / took, flat


if __name__ == "__main__":
    main()
