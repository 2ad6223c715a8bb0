"""What a backup costs, and what a writer beside it notices: the peer is the same writer without one.

.venv/bin/python -m benchmarks.backup
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.backup import pack
from storage.conversations import ConversationStore
from storage.database import Database
from storage.home import Home
from storage.ids import new_id
from storage.restore import unpack
from storage.transaction import Transaction
from storage.versions import VersionStore

TURNS, ADAPTERS, ADAPTER_BYTES = 100_000, 10, 20_000_000
PAUSE_S, ALONE_S = 0.01, 3.0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flywheel-bench-") as scratch:
        home = Home.open(Path(scratch) / "home")
        database = filled(home)
        with writing(database) as alone:
            time.sleep(ALONE_S)
        with writing(database) as beside:
            packing = seconds(pack(database, home, Path(scratch) / "b.tar.gz", {}))
        unpacking = seconds(unpack(Path(scratch) / "b.tar.gz", Path(scratch) / "new", lambda database, home: None))
        sizes = home.database.stat().st_size / 1e6, ADAPTERS * ADAPTER_BYTES / 1e6
        database.close()
    print(f"database {sizes[0]:.0f} MB, adapters {sizes[1]:.0f} MB: backup {packing:.1f} s, restore {unpacking:.1f} s")
    print(f"one commit, alone:  {told(alone)}")
    print(f"one commit, beside: {told(beside)}")
    return 0


def filled(home: Home) -> Database:
    """A home of many turns and some versions."""
    home.secret()
    home.owner_token()
    database = Database.open(home.database, home.ledger_tail)

    def turns(tx: Transaction) -> None:
        for _ in range(TURNS // 20):
            row = {"id": new_id(), "conversation_id": "c", "parent_id": None, "role": "user", "state": "complete"}
            row |= {"content": os.urandom(150).hex(), "version": None, "source": "x", "details": "{}"}
            tx.append("turns", {**row, "created": datetime.now(UTC), "created_by": "x"})

    for _ in range(20):
        database.write(turns, by="x")
    database.checkpoint()
    for number in range(1, ADAPTERS + 1):
        VersionStore(database).create(
            run=None,
            dataset=None,
            base="b",
            revision=None,
            base_form="full",
            adapter_sha256=None,
            number=number,
            by="x",
        )
        home.version_dir(f"v{number}").mkdir()
        (home.version_dir(f"v{number}") / "adapter_model.safetensors").write_bytes(os.urandom(ADAPTER_BYTES))
    return database


@contextmanager
def writing(database: Database) -> Generator[list[float], None, None]:
    """A writer that commits a row every 10 ms; the seconds that each took."""
    took: list[float] = []
    ended = threading.Event()

    def write() -> None:
        store = ConversationStore(database)
        while not ended.wait(PAUSE_S):
            began = time.monotonic()
            store.start(owner="guest:1", task="sql", by="x")
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def seconds(steps: Generator[Any, None, Any]) -> float:
    """How long all steps take."""
    began = time.monotonic()
    for _ in steps:
        pass
    return time.monotonic() - began


def told(took: list[float]) -> str:
    """Median, 99th percentile and largest, in ms."""
    ordered = sorted(took)
    p50, p99, largest = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]
    return f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, at most {largest * 1e3:.0f} ms (n = {len(ordered)})"


if __name__ == "__main__":
    sys.exit(main())
