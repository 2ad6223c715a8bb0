"""Whether the strip tells the truth, and names the step a person should take next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import Forbidden
from flywheel.roles import Principal, Role
from flywheel.wheel import Wheel
from storage.datasets import DatasetRow
from storage.examples import ExampleStore, NewExample
from storage.versions import Score
from tests.support.station import OWNER, REVIEWER, Station, open_station, settings_for
from trainers.files import write_json


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    base = tmp_path / "base"
    base.mkdir()
    write_json(base / "config.json", {"model_type": "llama"})
    station = open_station(settings_for(tmp_path / "home", base))
    yield station
    station.close()


@pytest.fixture
def examples(station: Station) -> ExampleStore:
    return ExampleStore(station.database)


@pytest.fixture
def wheel(station: Station, examples: ExampleStore) -> Wheel:
    return Wheel(examples, station.datasets, station.runs, station.training, station.versions)


def add(examples: ExampleStore, count: int, state: str, split: str | None = None, start: int = 0) -> list[str]:
    new = [
        NewExample([{"role": "user", "content": f"{state} {split} {i}"}], "SELECT 1", split=split, state=state)
        for i in range(start, start + count)
    ]
    return examples.add_many(new, by="test")[0]


def freeze(station: Station, ids: list[str]) -> None:
    """Record the dataset version d1 of these examples; the strip does not read its files."""
    rows = [DatasetRow("d1", id, "train", id, [], "SELECT 1", "imported", i) for i, id in enumerate(ids)]
    station.datasets.create(
        name="", note="", task="chat", content_hash="h", system_hash="", refused=[], policy={}, rows=rows, by="test"
    )


def finished_run(station: Station, right: int) -> None:
    """A run on the newest dataset whose version has so many of 20 test rows right; the base has none."""
    latest = station.datasets.latest()
    assert latest is not None
    run = station.runs.create(dataset=latest.id, method="sft", preset="quick", settings={}, by="test")
    made = station.store.create(
        run=run.number, dataset=latest.id, base=station.base.name, revision=station.base.fingerprint,
        base_form="full", adapter_sha256=None, by="test",
    )  # fmt: skip
    details = {"correct": [1] * right + [0] * (20 - right), "beside": {"v0": [0] * 20}, "run": run.number}
    details |= {"suite_sha256": "x", "base": station.base.fingerprint}
    station.store.add_scores([Score(made.id, "corrected", 20, right / 20, 0, 1, details)], by="test")
    station.runs.mark(run.number, "finished", version=made.id, by="test")


def test_guests_do_not_see_the_strip(wheel: Wheel) -> None:
    with pytest.raises(Forbidden):
        wheel.status(Principal("guest:1", Role.GUEST))


def test_an_empty_home_asks_for_questions(wheel: Wheel) -> None:
    status = wheel.status(REVIEWER)
    assert (status.waiting, status.approved, status.dataset, status.run, status.served) == (0, 0, None, None, "v0")
    assert (status.next_step.key, status.next_step.link) == ("chat", "/")
    assert status.more == "30 more corrections of a kind would make a run worth while"


def test_waiting_corrections_are_reviewed_first(wheel: Wheel, examples: ExampleStore) -> None:
    add(examples, 14, "pending")
    add(examples, 5, "approved")
    status = wheel.status(REVIEWER)
    assert (status.waiting, status.approved, status.missing) == (14, 5, 25)
    assert status.next_step.words == "Review 14 waiting examples"
    assert status.next_step.link == "/review"


def test_enough_approved_ones_are_frozen(wheel: Wheel, examples: ExampleStore) -> None:
    add(examples, 3, "pending")
    add(examples, 30, "approved")
    status = wheel.status(REVIEWER)
    assert (status.next_step.key, status.missing, status.more) == ("freeze", 0, "")


def test_test_rows_are_no_lessons(wheel: Wheel, examples: ExampleStore) -> None:
    add(examples, 60, "approved", split="test")
    add(examples, 1, "approved")
    status = wheel.status(REVIEWER)
    assert (status.approved, status.fresh) == (61, 1)
    assert status.next_step.words == "Freeze 1 approved example"


def test_a_frozen_dataset_is_trained(station: Station, wheel: Wheel, examples: ExampleStore) -> None:
    freeze(station, add(examples, 30, "approved"))
    status = wheel.status(REVIEWER)
    assert (status.fresh, status.dataset) == (0, "d1")
    assert status.next_step.words == "Train on d1"
    assert status.more == ""


def test_a_run_under_way_is_waited_for(station: Station, wheel: Wheel, examples: ExampleStore) -> None:
    freeze(station, add(examples, 30, "approved"))
    run = station.runs.create(dataset="d1", method="sft", preset="quick", settings={"max_steps": 100}, by="test")
    station.runs.mark(run.number, "running", by="test")
    folder = station.home.run_dir(run.number)
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"step": 40, "seconds": 4.0, "epoch": 1.0}\n')
    status = wheel.status(REVIEWER)
    assert status.run_progress == pytest.approx(0.3)
    assert status.next_step.words == "Run 1 is under way, 30%"


def test_an_interrupted_run_leaves_the_training_to_do(station: Station, wheel: Wheel, examples: ExampleStore) -> None:
    freeze(station, add(examples, 30, "approved"))
    run = station.runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="test")
    station.runs.mark(run.number, "interrupted", by="test")
    assert wheel.status(REVIEWER).next_step.key == "train"


def test_a_refused_candidate_is_not_to_be_promoted(station: Station, wheel: Wheel, examples: ExampleStore) -> None:
    freeze(station, add(examples, 30, "approved"))
    finished_run(station, right=1)
    status = wheel.status(OWNER)
    assert (status.candidate, status.candidate_state) == ("v1", "refused")
    assert status.next_step.key == "chat"
    assert status.missing == 30


def test_a_passed_candidate_is_to_be_promoted(
    station: Station, wheel: Wheel, examples: ExampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its files are another test's matter; here only the scores count.
    monkeypatch.setattr("flywheel.standing.Standing.problems", lambda *_args, **_named: [])
    add(examples, 3, "pending")
    freeze(station, add(examples, 30, "approved"))
    finished_run(station, right=20)
    status = wheel.status(OWNER)
    assert (status.candidate, status.candidate_state) == ("v1", "passed")
    assert (status.next_step.words, status.next_step.link) == ("v1 passes: promote it", "/versions")
    station.store.promote("v1", kind="promote", override=None, verdict={}, by="test")
    status = wheel.status(OWNER)
    assert (status.candidate, status.served) == (None, "v1")
    assert status.next_step.key == "review"
