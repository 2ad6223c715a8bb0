"""kill -9 under load: acknowledged rows stay, no transaction is half there, nothing has to be mended by hand."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.database import Database
from storage.home import Home
from storage.ledger import verify
from storage.lock import HomeLock

ROOT = Path(__file__).parents[2]
KILLS = 20
# Eight guests write a turn and its thumb in one transaction and note each turn only after it was acknowledged.
WRITE = """
import os, sys, threading
from pathlib import Path
from storage.conversations import ConversationStore
from storage.database import Database
from storage.feedback import FeedbackStore
from storage.home import Home
from storage.lock import HomeLock
home = Home.open(Path(sys.argv[1]))
lock = HomeLock.acquire(home, "http://test")
notes = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
db = Database.open(home.database, home.ledger_tail)
assert not db.report.messages, db.report
turns, feedback = ConversationStore(db), FeedbackStore(db)
talk = turns.start(owner="x", task="sql", by="x")
def one(tx):
    turn = turns.add_turn(conversation_id=talk.id, parent_id=None, role="assistant", content="x" * 900, by="x", tx=tx)
    feedback.rate(turn.id, "up", by="x", tx=tx)
    return turn.id
def guest():
    while True:
        os.write(notes, (db.write(one, by="x") + "\\n").encode())
for _ in range(8):
    threading.Thread(target=guest).start()
while True:
    db.checkpoint()
"""


@pytest.mark.slow
def test_twenty_kills_lose_nothing(home: Home, tmp_path: Path) -> None:
    notes = tmp_path / "acknowledged"
    chance = random.Random(7)
    seen = 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITE, str(home.path), str(notes)], cwd=ROOT)
        wait_for_more(notes, seen, writer)
        time.sleep(chance.uniform(0, 0.25))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        acknowledged = notes.read_text().split()
        assert len(acknowledged) > seen
        seen = len(acknowledged)
        look_through(home, set(acknowledged))
    assert seen > KILLS


def wait_for_more(notes: Path, seen: int, writer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not notes.exists() or notes.read_bytes().count(b"\n") <= seen:
        assert writer.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline, "the writer does not write"
        time.sleep(0.01)


def look_through(home: Home, acknowledged: set[str]) -> None:
    lock = HomeLock.acquire(home, "http://test")
    db = Database.open(home.database, home.ledger_tail)
    turns = {row["id"] for row in db.rows("SELECT id FROM turns")}
    rated = {row["turn_id"] for row in db.rows("SELECT turn_id FROM feedback")}
    assert acknowledged <= turns, "acknowledged turns are gone"
    assert turns == rated, "a transaction is half there"
    assert (db.report.lost, db.report.messages) == (0, [])
    report = verify(db)
    assert report.ok, report.message
    db.close()
    lock.release()
