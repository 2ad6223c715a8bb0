"""Versions on a home as finished runs leave them, without the training: files, rows, scores, an outcome."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from flywheel import programs
from storage.versions import Score
from tests.support.station import Station
from tests.support.tiny import chat_row
from tests.trainers.conftest import write_rows
from trainers import environment
from trainers.files import sha256_of
from trainers.job import ADAPTER_FILES, Outcome, write_outcome

QUESTIONS = [chat_row(f"how many {a} in {b}", "select") for a in ("orders", "bikes", "customers") for b in "abcdefghij"]
OTHERS = [chat_row(f"show me the price of {b}", "select") for b in "abcdefghijklmnopqrstuvwxyz"]


def add_version(station: Station, adapter: Path, *, right: int | None = 20, form: str = "full") -> str:
    """The next version, from this adapter: its run has 30 test rows and 26 general ones; `right` of 20 were right."""
    number = station.store.next_number()
    name = f"v{number}"
    dataset = station.datasets.latest() or station.freeze(test=QUESTIONS)
    settings = {"method": "sft", "learning_rate": 2e-4, "rank": 4, "base": str(station.base.location), "replay": None}
    run = station.runs.create(dataset=dataset.id, method="sft", preset="quick", settings=settings, by="local:owner")
    folder = station.home.run_dir(run.number)
    folder.mkdir()
    write_rows(folder / "test.jsonl", QUESTIONS)
    write_rows(folder / "general.jsonl", OTHERS)
    write_outcome(folder, Outcome("finished", "", 1.0, environment.versions()))
    shutil.copytree(adapter, station.home.version_dir(name))
    station.store.create(
        run=run.number,
        dataset=dataset.id,
        base=station.base.name,
        revision=station.base.fingerprint,
        base_form=form,
        adapter_sha256=sha256_of(adapter / ADAPTER_FILES[1]),
        number=number,
        by="test",
    )
    if right is not None:
        details = {"correct": _flags(right), "beside": {"v0": _flags(0)}, "run": run.number, "dataset": dataset.id}
        details |= {"suite_sha256": "rows", "base": station.base.fingerprint}
        station.store.add_scores([Score(name, "corrected", 20, right / 20, 0.0, 1.0, details)], by="test")
    station.runs.mark(run.number, "finished", version=name, by="test")
    return name


def settle() -> None:
    """Collect the programs that were started here: nobody else does in a test."""
    while programs._children:
        programs.collect()
        time.sleep(0.02)


def _flags(right: int) -> Sequence[int]:
    return [1] * right + [0] * (20 - right)
