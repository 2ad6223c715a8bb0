"""The training half of the wheel on a home of its own: real stores, real files, real trainers, a tiny base."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.base_model import BaseModel, base_model
from flywheel.roles import Principal, Role
from flywheel.scoring import Scoring
from flywheel.settings import Settings, read
from flywheel.standing import Standing
from flywheel.tasks.chat import ChatTask
from flywheel.training import Training
from flywheel.versions import Versions
from storage.database import Database
from storage.datasets import DatasetRow, DatasetStore, DatasetVersion
from storage.home import Home
from storage.publications import PublicationStore
from storage.runs import RunStore
from storage.versions import VersionStore
from tests.support.tiny import chat_row
from trainers.job import write_manifest

OWNER = Principal("local:owner", Role.OWNER)
REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)
# One answer to every question is about all that a random model of this size can learn in a second.
LESSONS = [chat_row(f"how many orders in {city}", "select count") for city in "abcdefghijkl"]
QUICK: dict[str, Any] = {"max_steps": 60, "learning_rate": 0.02, "batch_size": 12}


@dataclass
class Station:
    """Everything from a frozen dataset to a served version."""

    settings: Settings
    home: Home
    base: BaseModel
    database: Database
    datasets: DatasetStore
    runs: RunStore
    store: VersionStore
    training: Training
    versions: Versions

    def freeze(self, train: Sequence[Any] = LESSONS, test: Sequence[Any] = LESSONS) -> DatasetVersion:
        """A dataset version as the freezing service leaves it: files with a manifest, and rows."""
        number = self.datasets.next_number()
        folder = self.home.dataset_dir(f"d{number}")
        folder.mkdir()
        sides = {"train": train, "validation": [], "test": test}
        for side, rows in sides.items():
            (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        write_manifest(folder, [f"{side}.jsonl" for side in sides])
        stored = [
            DatasetRow("", f"e{side}{i}", side, f"g{i}", row["prompt"], row["completion"][0]["content"], "imported", i)
            for side, rows in sides.items()
            for i, row in enumerate(rows)
        ]
        return self.datasets.create(
            name="",
            note="",
            task="chat",
            content_hash=f"hash{number}",
            system_hash="",
            refused=[],
            policy={},
            rows=stored,
            number=number,
            by=OWNER.id,
        )

    def follow(self, number: int, until: Callable[["Station"], bool] | None = None, seconds: float = 120) -> str:
        """Poll until the run has ended, or `until` holds; returns its state."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.training.poll()
            run = self.runs.get(number)
            assert run is not None
            if run.ended is not None or (until is not None and until(self)):
                return run.state
            time.sleep(0.1)
        raise AssertionError(f"run {number} took longer than {seconds} s: {self.training.view(OWNER, number)}")

    def reopened(self) -> "Station":
        """The same home in an app started anew; the programs it had started go on."""
        self.database.close()
        return open_station(self.settings)

    def close(self) -> None:
        self.database.close()


def open_station(settings: Settings) -> Station:
    """Put the services together over a home."""
    home = Home.open(settings.home)
    database = Database.open(home.database, home.ledger_tail)
    datasets, runs, store = DatasetStore(database), RunStore(database), VersionStore(database)
    base = base_model(settings, home)
    scoring = Scoring(store, home, base, ChatTask(""), settings)
    training = Training(database, runs, store, datasets, home, base, scoring)
    versions = Versions(store, home, Standing(store, runs, home, base), PublicationStore(database))
    return Station(settings, home, base, database, datasets, runs, store, training, versions)


def settings_for(home: Path, base: Path) -> Settings:
    """Settings of a home over a base in a folder."""
    given = {"FLYWHEEL_HOME": str(home), "FLYWHEEL_BASE_MODEL": str(base), "FLYWHEEL_TASK": "chat"}
    return read(given)
