"""Merging as a service: what it compares on, what lies in the way, what is left when it ends otherwise."""

import errno
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from flywheel import merging as module
from flywheel import programs
from flywheel.errors import Conflict, Damaged, Forbidden, InvalidInput, NotFound, Unavailable
from flywheel.merging import Merged, Merging
from tests.support.adapters import make_adapter
from tests.support.shelf import QUESTIONS, add_version, settle
from tests.support.station import OWNER, REVIEWER, Station, open_station, settings_for
from tests.support.tiny import chat_row, make_tiny_model
from tests.trainers.conftest import write_rows
from trainers import environment
from trainers.job import process_of


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter") / "1", seed=1, strength=0.05)


@pytest.fixture
def station(base: Path, adapter: Path, tmp_path: Path) -> Iterator[Station]:
    """A home with v1, whose run has 30 test rows and 26 general ones."""
    station = open_station(settings_for(tmp_path / "home", base))
    add_version(station, adapter)
    yield station
    settle()
    station.close()


@pytest.fixture
def merging(station: Station) -> Merging:
    return Merging(station.home, station.base, station.versions)


def through(steps: Generator[Any, None, Merged]) -> tuple[list[str], Merged]:
    told = []
    while True:
        try:
            told.append(next(steps)[0])
        except StopIteration as end:
            return told, end.value


def test_a_version_is_merged_once(merging: Merging, station: Station, tmp_path: Path) -> None:
    out = tmp_path / "out/v1"
    told, merged = through(merging.merge(OWNER, "v1", out))
    assert any("comparing" in words for words in told)
    assert merged.made_now
    assert merged.record.parity.prompts == 56
    assert merged.record.parity.share >= 0.99
    assert sorted(path.name for path in out.parent.iterdir()) == ["v1"]
    assert not list(station.home.merged.rglob("prompts.jsonl")), "questions of people are not kept beside it"
    assert str(tmp_path) not in "".join(path.read_text() for path in out.glob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again, same = through(merging.merge(OWNER, "v1", out))
    assert (again, same.made_now) == ([], False)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    elsewhere, _ = through(merging.merge(OWNER, "v1", tmp_path / "second"))
    assert not any("merging" in words for words in elsewhere), "the one that is kept is copied"


def test_what_lies_in_the_way_stays(merging: Merging, station: Station, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("ten years")
    with pytest.raises(Conflict, match="is not empty"):
        next(merging.merge(OWNER, "v1", tmp_path / "mine"))
    with pytest.raises(InvalidInput, match="is a file"):
        next(merging.merge(OWNER, "v1", tmp_path / "mine/thesis.txt"))
    assert (tmp_path / "mine/thesis.txt").read_text() == "ten years"
    assert not station.home.merged.exists()


def test_only_sound_versions_are_merged(merging: Merging, station: Station, tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        next(merging.merge(REVIEWER, "v1", tmp_path / "out"))
    with pytest.raises(NotFound):
        next(merging.merge(OWNER, "v9", tmp_path / "out"))
    with pytest.raises(InvalidInput, match="no adapter"):
        next(merging.merge(OWNER, "v0", tmp_path / "out"))
    weights = station.home.version_dir("v1") / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(Damaged, match="v1 cannot be used"):
        next(merging.merge(OWNER, "v1", tmp_path / "out"))
    assert not station.home.merged.exists()


def test_the_same_question_in_other_spelling_counts_once(merging: Merging, station: Station) -> None:
    folder = station.home.run_dir(1)
    (folder / "general.jsonl").unlink()
    shutil.rmtree(station.home.dataset_dir("d1"))
    write_rows(folder / "test.jsonl", [chat_row(text, "x") for text in ("How many?", "how  many", "HOW MANY.")])
    version = station.store.get("v1")
    assert version is not None
    assert len(merging._prompts(version)) == 1
    write_rows(folder / "train.jsonl", QUESTIONS)
    assert len(merging._prompts(version)) == 31
    shutil.rmtree(folder)
    with pytest.raises(Damaged, match="no question is left"):
        merging._prompts(version)


def test_two_merges_at_once_are_refused(merging: Merging, station: Station, tmp_path: Path) -> None:
    first = merging.merge(OWNER, "v1", tmp_path / "one")
    next(first)
    with pytest.raises(Conflict, match="being merged"):
        next(merging.merge(OWNER, "v1", tmp_path / "two"))
    first.close()
    folder = station.home.merged_dir("v1")
    while process_of(folder) is not None:
        programs.collect()
    assert not (folder / "model").exists(), "whoever wanted it is gone"
    _, merged = through(merging.merge(OWNER, "v1", tmp_path / "two"))
    assert merged.made_now


def test_a_full_disk_leaves_nothing(merging: Merging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    through(merging.merge(OWNER, "v1", tmp_path / "one"))
    out = tmp_path / "two"
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> Any:
        if source.suffix == ".safetensors":
            target.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        through(merging.merge(OWNER, "v1", out))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "one"]
    monkeypatch.undo()
    assert through(merging.merge(OWNER, "v1", out))[1].made_now
