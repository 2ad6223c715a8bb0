import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from storage.conversations import ConversationStore
from storage.database import Database, Transaction
from storage.errors import DatabaseDamaged, HomeLocked, StorageError
from storage.home import Home
from storage.ledger import verify


def test_rows_outlive_the_process(home: Home) -> None:
    db = Database.open(home.database, home.ledger_tail)
    talk = ConversationStore(db).start(owner="guest:1", task="sql", title="größer \x00 😀", by="guest:1")
    db.close()
    db.close()
    again = Database.open(home.database, home.ledger_tail)
    assert ConversationStore(again).conversation(talk.id) == talk
    assert (again.report.salvaged, again.report.lost, again.report.messages) == (False, 0, [])
    again.close()


def test_times_come_back_in_utc(db: Database) -> None:
    talk = ConversationStore(db).start(owner="guest:1", task="sql", by="guest:1")
    found = ConversationStore(db).conversation(talk.id)
    assert found is not None and found.created == talk.created
    assert found.created.isoformat().endswith("+00:00")


def test_a_closed_database_says_so(db: Database) -> None:
    db.close()
    for use in (lambda: db.rows("SELECT 1"), lambda: ConversationStore(db).start(owner="x", task="sql", by="x")):
        with pytest.raises(StorageError, match="is closed: Flywheel is shutting down"):
            use()


def test_readers_get_their_own_rows(db: Database) -> None:
    store = ConversationStore(db)
    ids = [store.start(owner=f"guest:{n}", task="sql", by="x").id for n in range(8)]
    wrong: list[str] = []

    def read(number: int) -> None:
        for _ in range(60):
            found = store.conversation(ids[number])
            if found is None or found.owner != f"guest:{number}":
                wrong.append(ids[number])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        store.start(owner="writer", task="sql", by="x")
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_backup_is_whole_while_writing(db: Database, tmp_path: Path) -> None:
    store = ConversationStore(db)
    going = threading.Event()

    def write() -> None:
        while not going.is_set():
            store.start(owner="guest:1", task="sql", by="x")

    thread = threading.Thread(target=write)
    thread.start()
    while db.head.seq < 20:
        pass
    db.backup(tmp_path / "it's a backup.duckdb")
    going.set()
    thread.join()
    copy = Database.open(tmp_path / "it's a backup.duckdb", tmp_path / "tail")
    report = verify(copy)
    assert report.ok and 20 <= report.rows <= db.head.seq
    copy.close()


def test_a_backup_never_replaces_a_file(db: Database, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(StorageError, match="exists already"):
        db.backup(tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "kept"
    with pytest.raises(StorageError):
        db.backup(tmp_path / "nowhere" / "backup")


def test_a_checkpoint_empties_the_log(db: Database, home: Home) -> None:
    log = home.database.with_name("flywheel.duckdb.wal")
    ConversationStore(db).start(owner="guest:1", task="sql", by="x")
    assert log.stat().st_size > 0
    db.checkpoint()
    assert not log.exists()


def test_a_second_process_is_told_who_holds_it(db: Database) -> None:
    root = Path(__file__).parents[2]
    script = "import sys; from pathlib import Path; from storage.database import Database\n"
    script += "p = Path(sys.argv[1]); Database.open(p, p.with_name('other.tail'))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(db._engine.path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert HomeLocked.__name__ in done.stderr and "already running here (pid " in done.stderr


def test_damaged_blocks_are_told_when_read(home: Home) -> None:
    db = Database.open(home.database, home.ledger_tail)
    store = ConversationStore(db)

    def fill(tx: Transaction) -> None:
        for _ in range(2000):
            store.start(owner="g", task="s", title=os.urandom(600).hex(), by="g", tx=tx)

    db.write(fill, by="g")
    db.close()
    content = bytearray(home.database.read_bytes())
    for position in range(len(content) // 2, len(content), 50_000):
        content[position] ^= 1
    home.database.write_bytes(content)
    with pytest.raises(DatabaseDamaged, match=r"is damaged .*put a backup in its place"):
        read_all(home)
    assert home.database.read_bytes() == bytes(content)


def read_all(home: Home) -> None:
    db = Database.open(home.database, home.ledger_tail)
    try:
        for table in db.tables:
            db.rows(f"SELECT * FROM {table}")
    finally:
        db.close()


def test_a_mistaken_query_stays_a_defect(db: Database) -> None:
    with pytest.raises(duckdb.BinderException):
        db.rows("SELECT nothing FROM conversations")
    assert db.value("SELECT count(*) FROM conversations") == 0
