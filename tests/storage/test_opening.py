"""Damaged logs and files: what is found, what is said, what is kept."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.database import Database
from storage.errors import DatabaseDamaged
from storage.home import Home
from storage.ledger import verify

ROOT = Path(__file__).parents[2]
RECORDS = 61
# Ends without closing, so that all records after the first checkpoint are in the log alone.
WRITE = """
import os, sys
from pathlib import Path
from storage.conversations import ConversationStore
from storage.database import Database
from storage.home import Home
home = Home.open(Path(sys.argv[1]))
db = Database.open(home.database, home.ledger_tail)
db.checkpoint()
store = ConversationStore(db)
talk = store.start(owner="guest:1", task="sql", by="guest:1")
for number in range(60):
    store.add_turn(conversation_id=talk.id, parent_id=None, role="user", content=f"text {number} " * 20, by="guest:1")
os._exit(0)
"""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose app ended without closing: RECORDS acknowledged records in the log."""
    path = tmp_path_factory.mktemp("crashed") / "home"
    subprocess.run([sys.executable, "-c", WRITE, str(path)], cwd=ROOT, check=True)
    return path


@pytest.fixture
def home(crashed: Path, tmp_path: Path) -> Home:
    shutil.copytree(crashed, tmp_path / "home")
    return Home(tmp_path / "home")


def log_of(home: Home) -> Path:
    return home.path / "flywheel.duckdb.wal"


def reopen(home: Home) -> Database:
    return Database.open(home.database, home.ledger_tail)


def records(db: Database) -> int:
    return int(db.value("SELECT count(*) FROM ledger"))


def test_a_crash_loses_nothing(home: Home) -> None:
    db = reopen(home)
    assert records(db) == RECORDS and db.report.messages == []
    db.close()
    assert not list(home.path.glob("*.before-*"))


def zero_the_end(content: bytearray) -> bytearray:
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half)


def flip_one_bit(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 4
    return content


@pytest.mark.parametrize("harm", [zero_the_end, flip_one_bit])
def test_a_damaged_log_is_salvaged_with_a_report(home: Home, harm: Callable[[bytearray], bytearray]) -> None:
    log = log_of(home)
    damaged = harm(bytearray(log.read_bytes()))
    log.write_bytes(damaged)
    db = reopen(home)
    assert db.report.salvaged
    assert db.report.lost == RECORDS - records(db) > 0
    assert verify(db).ok
    (kept,) = home.path.glob("flywheel.duckdb.wal.corrupt-*")
    assert kept.read_bytes() == damaged
    words = " ".join(db.report.messages)
    assert f"{db.report.lost} acknowledged records are missing" in words and str(kept) in words
    db.close()


def test_after_a_salvage_writing_goes_on(home: Home) -> None:
    log = log_of(home)
    log.write_bytes(zero_the_end(bytearray(log.read_bytes())))
    db = reopen(home)
    left = records(db)
    db.write(lambda tx: tx.append("corrections", correction()), by="guest:1")
    db.close()
    again = reopen(home)
    assert (records(again), again.report.lost, again.report.messages) == (left + 1, 0, [])
    assert verify(again).ok
    again.close()


def correction() -> dict[str, object]:
    return {"id": "c1", "turn_id": "t1", "text": "better", "created": datetime.now(UTC), "created_by": "guest:1"}


def test_records_lost_without_a_trace_are_counted(home: Home) -> None:
    # A log cut short is opened by the engine without a word; only the side file knows.
    log = log_of(home)
    content = log.read_bytes()
    log.write_bytes(content[: len(content) // 2])
    db = reopen(home)
    assert not db.report.salvaged
    assert db.report.lost == RECORDS - records(db) > 0
    (kept,) = home.path.glob("flywheel.duckdb.wal.before-*")
    assert kept.read_bytes() == content[: len(content) // 2]
    assert list(home.path.glob("ledger.tail.found-*"))
    db.close()


def test_one_lost_record_is_told_in_the_singular(home: Home) -> None:
    log = log_of(home)
    log.write_bytes(log.read_bytes()[:-1])
    db = reopen(home)
    assert db.report.lost == 1
    assert db.report.messages[0].startswith("1 acknowledged record is missing")
    db.close()


def test_a_missing_side_file_is_told_once(home: Home) -> None:
    home.ledger_tail.unlink()
    db = reopen(home)
    assert records(db) == RECORDS and "is gone" in db.report.messages[0]
    db.close()
    again = reopen(home)
    assert again.report.messages == []
    again.close()


def test_a_damaged_side_file_is_told_and_kept(home: Home) -> None:
    home.ledger_tail.write_text("nonsense")
    db = reopen(home)
    assert "cannot be read" in db.report.messages[0]
    (kept,) = home.path.glob("ledger.tail.found-*")
    assert kept.read_text() == "nonsense"
    db.close()


def test_a_side_file_that_lags_is_fine(home: Home) -> None:
    db = reopen(home)
    early = db.row("SELECT seq, hash FROM ledger WHERE seq = 40")
    db.close()
    assert early is not None
    home.ledger_tail.write_text(json.dumps(early))
    db = reopen(home)
    assert (db.report.lost, db.report.messages) == (0, [])
    db.close()


def test_another_history_is_told(home: Home) -> None:
    home.ledger_tail.write_text(json.dumps({"seq": 40, "hash": "f" * 64}))
    db = reopen(home)
    assert "changed at or before record 40" in db.report.messages[0]
    db.close()


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_to_the_log_is_never_silent(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    log = log_of(home)
    content = bytearray(log.read_bytes())
    for _ in range(chance.randint(1, 3)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    log.write_bytes(content)
    db = reopen(home)
    assert records(db) + db.report.lost == RECORDS
    assert db.report.messages and verify(db).ok
    db.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_is_refused_and_left_alone(home: Home, seed: int) -> None:
    reopen(home).close()
    content = bytearray(home.database.read_bytes())
    start = random.Random(seed).randrange(0, 8192)
    content[start : start + 4096] = os.urandom(4096)
    home.database.write_bytes(content)
    names = sorted(path.name for path in home.path.iterdir())
    with pytest.raises(DatabaseDamaged, match=r"flywheel\.duckdb` is damaged .*put a backup in its place"):
        reopen(home)
    assert home.database.read_bytes() == bytes(content)
    assert sorted(path.name for path in home.path.iterdir()) == names


def test_a_damaged_file_keeps_its_log(home: Home) -> None:
    content = bytearray(home.database.read_bytes())
    content[0:12288] = os.urandom(12288)
    home.database.write_bytes(content)
    log = log_of(home).read_bytes()
    with pytest.raises(DatabaseDamaged):
        reopen(home)
    assert log_of(home).read_bytes() == log
    assert not list(home.path.glob("*.before-*"))


def test_a_log_without_its_database_is_refused(home: Home) -> None:
    home.database.rename(home.path / "elsewhere")
    with pytest.raises(DatabaseDamaged, match=r"is there without its database"):
        reopen(home)
    (home.path / "elsewhere").rename(home.database)
    db = reopen(home)
    assert records(db) == RECORDS
    db.close()


def test_a_start_killed_while_creating_leaves_nothing(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "new")
    (home.path / ".flywheel.duckdb.part").write_bytes(b"half a file")
    (home.path / ".flywheel.duckdb.part.wal").write_bytes(b"half a log")
    db = reopen(home)
    assert records(db) == 0
    db.close()
    assert not list(home.path.glob(".*"))
