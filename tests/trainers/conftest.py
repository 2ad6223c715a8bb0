"""What the trainer tests share: one tiny base, and run directories over it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny import chat_row, make_tiny_model
from trainers import environment, sft
from trainers.job import Job, write_job

ROWS = [chat_row(f"how many orders in {city} last year", f"select count from {city}") for city in "abcdefghijkl"]
REPLAY = [chat_row(f"show me the price of {word}", f"select price where {word}") for word in "nopqrstuvwxyz"]

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def quiet_libraries() -> None:
    """Each test starts with every warning an error; the known harmless ones are no news."""
    environment.silence()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    environment.prepare()
    yield make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def make_run(base: Path, tmp_path: Path) -> MakeRun:
    """Make a run directory: `make_run("name", rows=…, validation=…, replay=…, max_steps=…)`."""
    return maker(base, tmp_path)


@pytest.fixture(scope="session")
def trained_once(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 30 steps; copy it before you change anything."""
    environment.silence()
    run = maker(base, tmp_path_factory.mktemp("trained"))("run", max_steps=30)
    assert sft.run(run) == 0
    return run


def maker(base: Path, tmp_path: Path) -> MakeRun:
    def make(name: str = "run", *, rows: Any = ROWS, validation: Any = (), replay: Any = None, **settings: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_rows(folder / "train.jsonl", rows)
        write_rows(folder / "validation.jsonl", validation)
        if replay is not None:
            write_rows(folder / "replay.jsonl", REPLAY)
            settings["replay"] = replay
        given = {"base": str(base), "base_form": "nf4-dequantised", "dataset": "d1", "dataset_sha256": "abc"}
        given |= {"max_steps": 12, "learning_rate": 5e-3, "batch_size": 4, "rank": 4}
        given |= settings
        if given.get("epochs"):
            given["max_steps"] = None
        write_job(folder, Job(**given))
        return folder

    return make


def write_rows(path: Path, rows: Any) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
