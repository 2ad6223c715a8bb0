"""A disk that fills up: errors in words, acknowledged rows kept, going on by itself when there is space."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.conversations import ConversationStore
from storage.database import Database
from storage.errors import DiskFull
from storage.home import Home
from storage.ledger import verify

ROOT = Path(__file__).parents[2]
BALLAST = 400_000


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own of some megabytes, with a ballast file to remove."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    point = tmp_path / "disk"
    point.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(point)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    (point / "ballast").write_bytes(bytes(BALLAST))
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def fill(db: Database, talk: str, kilobytes: int) -> list[str]:
    """Write from four threads until the disk is full; the ids of the acknowledged turns."""
    store = ConversationStore(db)
    acknowledged: list[str] = []

    def write() -> None:
        for _ in range(4000):
            text = os.urandom(kilobytes * 500).hex()
            try:
                turn = store.add_turn(conversation_id=talk, parent_id=None, role="user", content=text, by="x")
            except DiskFull:
                return
            acknowledged.append(turn.id)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged


def stored(db: Database) -> set[str]:
    return {row["id"] for row in db.rows("SELECT id FROM turns")}


# Small: the log itself does not fit. Large: the log reaches its limit and the checkpoint inside a commit fails, after
# which the engine refuses everything until it is opened anew.
@pytest.mark.parametrize(
    ("small_disk", "kilobytes", "broke"), [("5m", 12, False), ("26m", 60, True)], indirect=["small_disk"]
)
def test_a_full_disk_keeps_what_was_acknowledged(small_disk: Path, kilobytes: int, broke: bool) -> None:
    home = Home.open(small_disk / "home")
    db = Database.open(home.database, home.ledger_tail)
    store = ConversationStore(db)
    talk = store.start(owner="x", task="sql", by="x")
    acknowledged = fill(db, talk.id, kilobytes)
    assert acknowledged and stored(db) == set(acknowledged)
    assert (db._engine.generation > 1) == broke

    (small_disk / "ballast").unlink()
    began = time.monotonic()
    store.start(owner="after", task="sql", by="x")
    assert time.monotonic() - began < 5
    assert stored(db) == set(acknowledged) and verify(db).ok
    db.close()

    again = Database.open(home.database, home.ledger_tail)
    assert stored(again) == set(acknowledged)
    assert (again.report.lost, again.report.messages) == (0, []) and verify(again).ok
    again.close()


@pytest.mark.parametrize("small_disk", ["5m"], indirect=True)
def test_a_failed_checkpoint_is_got_over(small_disk: Path) -> None:
    home = Home.open(small_disk / "home")
    db = Database.open(home.database, home.ledger_tail)
    talk = ConversationStore(db).start(owner="x", task="sql", by="x")
    acknowledged = fill(db, talk.id, 12)
    with pytest.raises(DiskFull, match="The disk is full"):
        db.checkpoint()
    assert db._engine.generation > 1
    assert stored(db) == set(acknowledged)
    (small_disk / "ballast").unlink()
    ConversationStore(db).start(owner="after", task="sql", by="x")
    assert verify(db).ok
    db.close()


@pytest.mark.parametrize("small_disk", ["4m"], indirect=True)
def test_a_start_on_a_full_disk_says_so(small_disk: Path) -> None:
    home = Home.open(small_disk / "home")
    with pytest.raises(OSError, match="No space left"), (small_disk / "more").open("wb", buffering=0) as more:
        while True:
            more.write(bytes(4096))
    with pytest.raises(DiskFull, match=r"The disk .*is full"):
        Database.open(home.database, home.ledger_tail)
    with pytest.raises(DiskFull, match=r"The disk under `.*/home` is full"):
        Home.open(home.path)
    (small_disk / "more").unlink()
    Database.open(home.database, home.ledger_tail).close()


LIMITED = """
import resource, sys
from pathlib import Path
from storage.conversations import ConversationStore
from storage.database import Database
from storage.errors import DiskFull
from storage.home import Home
home = Home.open(Path(sys.argv[1]))
db = Database.open(home.database, home.ledger_tail)
store = ConversationStore(db)
talk = store.start(owner="x", task="sql", by="x")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
kept = 0
try:
    for _ in range(1000):
        store.add_turn(conversation_id=talk.id, parent_id=None, role="user", content="x" * 3000, by="x")
        kept += 1
except DiskFull as full:
    print(full)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.add_turn(conversation_id=talk.id, parent_id=None, role="user", content="after", by="x")
print(kept, store.counts()["turns"])
db.close()
"""


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "home")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    words, counts = done.stdout.splitlines()
    assert words == "The disk is full and nothing of this was kept. Free some space and try again."
    kept, turns = map(int, counts.split())
    assert 0 < kept < 1000 and turns == kept + 1
