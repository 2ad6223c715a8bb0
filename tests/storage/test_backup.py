"""Backups and restores of a home: what is in them, what goes on meanwhile, and what a failure leaves."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from storage import archive, restore
from storage.backup import Packed, pack
from storage.conversations import ConversationStore
from storage.database import Database
from storage.errors import DiskFull, HomeLocked, NoBackup, StorageError
from storage.home import Home
from storage.ledger import verify
from storage.lock import HomeLock
from storage.restore import Restored, unpack
from storage.runs import RunStore
from storage.versions import VersionStore
from tests.support.steps import finish


def packed(db: Database, home: Home, out: Path, checkpoints: bool = False) -> Packed:
    return finish(pack(db, home, out, {"task": "sql"}, checkpoints=checkpoints))


def unpacked(path: Path, place: Path) -> Restored:
    return finish(unpack(path, place, lambda database, home: None))


@pytest.fixture
def full(db: Database, home: Home) -> Database:
    """A home with keys, a talk, a version and two runs, one of them under way."""
    home.secret(), home.owner_token()
    ConversationStore(db).start(owner="guest:1", task="sql", by="guest:1")
    runs = RunStore(db)
    done = runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="x")
    runs.mark(done.number, "finished", version="v1", by="x")
    runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="x")
    VersionStore(db).create(
        run=1, dataset="d1", base="b", revision=None, base_form="full", adapter_sha256=None, number=1, by="x"
    )
    files = {"versions/v1/weights": "1", "runs/1/log.txt": "log", "runs/1/checkpoints/1/optimizer.pt": "big"}
    files |= {
        "runs/2/job.json": "{}",
        "runs/2/process.json": "{}",
        "runs/2/.job.json.7": "half",
        "runs/7/job.json": "{}",
    }
    for name, text in files.items():
        path = home.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return db


def test_a_backup_holds_what_the_database_knows(full: Database, home: Home, tmp_path: Path) -> None:
    (home.path / "versions/v1/link").symlink_to("/etc/passwd")
    done = packed(full, home, tmp_path / "b.tar.gz")
    names = set(archive.read_list(tmp_path / "b.tar.gz").files)
    assert names == {
        "flywheel.duckdb",
        "ledger.tail",
        "secret.key",
        "owner.key",
        "versions/v1/weights",
        "runs/1/log.txt",
        "runs/2/job.json",
    }
    assert done.files == len(names) and done.records == full.head.seq
    assert done.left_out == [str(home.path / "versions/v1/link")]
    packed(full, home, tmp_path / "c.tar.gz", checkpoints=True)
    assert "runs/1/checkpoints/1/optimizer.pt" in archive.read_list(tmp_path / "c.tar.gz").files


def test_a_backup_is_for_its_owner_alone_and_leaves_nothing_beside(full: Database, home: Home, tmp_path: Path) -> None:
    before = set(home.path.rglob("*"))
    packed(full, home, tmp_path / "b.tar.gz")
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    assert set(home.path.rglob("*")) == before and set(tmp_path.iterdir()) == {home.path, tmp_path / "b.tar.gz"}


def test_nothing_is_ever_overwritten(full: Database, home: Home, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, words in {"precious": "exists already", "dangling": "exists already", "": "is a folder"}.items():
        with pytest.raises(StorageError, match=words):
            packed(full, home, tmp_path / name)
    with pytest.raises(StorageError, match="no folder"):
        packed(full, home, tmp_path / "a" / "b.tar.gz")
    assert (tmp_path / "precious").read_text() == "kept"


def test_writers_go_on_and_the_copy_is_of_one_moment(full: Database, home: Home, tmp_path: Path) -> None:
    store, ended, written = ConversationStore(full), threading.Event(), []

    def write() -> None:
        while not ended.is_set():
            store.start(owner="guest:1", task="sql", by="x")
            written.append(time.monotonic())

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    done = packed(full, home, tmp_path / "b.tar.gz")
    took = time.monotonic() - began
    ended.set()
    for thread in threads:
        thread.join()
    assert sum(began < at < began + took for at in written) > 3
    restored = unpacked(tmp_path / "b.tar.gz", tmp_path / "new")
    assert restored.records == done.records <= full.head.seq


def test_a_run_that_writes_on_is_packed_as_of_one_moment(full: Database, home: Home, tmp_path: Path) -> None:
    log, ended = home.run_dir(2) / "log.txt", threading.Event()

    def grow() -> None:
        while not ended.is_set():
            with log.open("a") as file:
                file.write("step\n" * 100)
            (home.run_dir(2) / "progress.json.new").write_text("x" * 1000)
            (home.run_dir(2) / "progress.json.new").replace(home.run_dir(2) / "progress.json")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for number in range(3):
            packed(full, home, tmp_path / f"b{number}.tar.gz")
    finally:
        ended.set()
        thread.join()
    unpacked(tmp_path / "b2.tar.gz", tmp_path / "new")
    assert (tmp_path / "new/runs/2/log.txt").read_text().startswith("step")


def test_restored_home_is_the_same(full: Database, home: Home, tmp_path: Path) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    restored = unpacked(tmp_path / "b.tar.gz", tmp_path / "deep" / "new")
    new = Home(tmp_path / "deep" / "new")
    assert (new.secret(), new.owner_token()) == (home.secret(), home.owner_token())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (new.secret_key, new.owner_key))
    assert new.path.stat().st_mode & 0o777 == 0o700
    assert restored.facts["task"] == "sql"
    database = Database.open(new.database, new.ledger_tail)
    assert database.report.messages == [] and verify(database).ok
    assert [run.number for run in RunStore(database).list()] == [2, 1]
    database.close()


def test_only_an_empty_home_is_filled(full: Database, home: Home, tmp_path: Path) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine").write_text("kept")
    with pytest.raises(StorageError, match="holds something already"):
        unpacked(tmp_path / "b.tar.gz", place)
    assert [child.name for child in place.iterdir()] == ["mine"]
    with pytest.raises(StorageError, match="is no folder"):
        unpacked(tmp_path / "b.tar.gz", place / "mine")
    (place / "mine").unlink()
    unpacked(tmp_path / "b.tar.gz", place)
    assert (place / "flywheel.duckdb").is_file()


def test_a_home_in_use_is_left_alone(full: Database, home: Home, tmp_path: Path) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    (tmp_path / "new").mkdir()
    lock = HomeLock.acquire(Home(tmp_path / "new"), "http://127.0.0.1:7860")
    with pytest.raises(HomeLocked, match=f"pid {os.getpid()}, http"):
        unpacked(tmp_path / "b.tar.gz", tmp_path / "new")
    lock.release()


@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_leaves_nothing(full: Database, home: Home, tmp_path: Path, exists: bool) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    place = tmp_path / "deep" / "new"
    if exists:
        place.mkdir(parents=True)

    def fail(database: Database, home: Home) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFull, match="no room"):
        finish(unpack(tmp_path / "b.tar.gz", place, fail))
    assert list(place.iterdir()) == [] if exists else not (tmp_path / "deep").exists()
    steps = unpack(tmp_path / "b.tar.gz", place, fail)
    while next(steps).words != "unpacking":
        pass
    steps.close()
    assert list(place.iterdir()) == [] if exists else not (tmp_path / "deep").exists()


def test_what_a_killed_restore_left_is_in_nobodys_way(full: Database, home: Home, tmp_path: Path) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    (tmp_path / "new" / restore.STAGING / "versions").mkdir(parents=True)
    (tmp_path / "new" / "lock").touch()
    unpacked(tmp_path / "b.tar.gz", tmp_path / "new")
    assert not (tmp_path / "new" / restore.STAGING).exists()


def repacked(path: Path, changes: dict[str, bytes | None], to: Path, work: Path) -> Path:
    """The archive with other files and a list that agrees with them."""
    contents = archive.read_list(path)
    list(archive.walk(path, contents, work))
    sources = {name: work / name for name in contents.files}
    for name, content in changes.items():
        if content is None:
            del sources[name]
            continue
        sources[name] = work / name
        sources[name].parent.mkdir(parents=True, exist_ok=True)
        sources[name].write_bytes(content)
    with to.open("wb") as out:
        list(archive.write(out, sources, archive.listed(sources, contents.facts)))
    return to


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner.key": None}, "no `owner.key`"),
        ({"bashrc": b"x"}, "belongs to no home"),
        ({"versions/v1x/y": b"x"}, "belongs to no home"),
        ({"lock": b"x"}, "belongs to no home"),
        ({"flywheel.duckdb": b"x" * 5000}, "damaged"),
        ({"secret.key": b"short"}, "5 bytes instead of 32"),
        ({"ledger.tail": json.dumps({"seq": 99, "hash": "0" * 64}).encode()}, "do not hold"),
    ],
)
def test_a_strange_home_under_a_good_list_is_refused(
    full: Database, home: Home, tmp_path: Path, changes: dict[str, bytes | None], words: str
) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    path = repacked(tmp_path / "b.tar.gz", changes, tmp_path / "c.tar.gz", tmp_path / "work")
    with pytest.raises(StorageError, match=words):
        unpacked(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_rewritten_ledger_is_refused(full: Database, home: Home, tmp_path: Path) -> None:
    import duckdb

    packed(full, home, tmp_path / "b.tar.gz")
    list(archive.walk(tmp_path / "b.tar.gz", archive.read_list(tmp_path / "b.tar.gz"), tmp_path / "first"))
    with duckdb.connect(str(tmp_path / "first/flywheel.duckdb")) as connection:
        connection.execute("UPDATE conversations SET owner = 'guest:2'")
    changes: dict[str, bytes | None] = {"flywheel.duckdb": (tmp_path / "first/flywheel.duckdb").read_bytes()}
    path = repacked(tmp_path / "b.tar.gz", changes, tmp_path / "c.tar.gz", tmp_path / "work")
    with pytest.raises(NoBackup, match="was changed"):
        unpacked(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_more_than_fits_is_refused_before_it_is_read(
    full: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(full, home, tmp_path / "b.tar.gz")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(DiskFull, match="1 MB free"):
        unpacked(tmp_path / "b.tar.gz", tmp_path / "new")
    assert not (tmp_path / "new").exists()
