"""Runs from start to version over real trainers: what a person is told, and what survives kills and restarts."""

import dataclasses
import os
import signal
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel import programs, report
from flywheel.errors import Conflict, Damaged, Forbidden, InvalidInput, NotFound, Unavailable
from storage.runs import Run
from tests.support.station import LESSONS, OWNER, QUICK, REVIEWER, Station, open_station, settings_for
from tests.support.tiny import make_tiny_model
from trainers import environment
from trainers.job import process_of, read_metrics


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def station(base: Path, tmp_path: Path) -> Iterator[Station]:
    station = open_station(settings_for(tmp_path / "home", base))
    yield station
    for folder in station.home.runs.iterdir():
        if pid := process_of(folder):
            os.kill(pid, signal.SIGKILL)
    while programs._children:
        station.training.poll()
        time.sleep(0.02)
    station.close()


def state_of(station: Station, run: Run) -> str:
    found = station.runs.get(run.number)
    assert found is not None
    return found.state


def test_only_the_owner_trains(station: Station) -> None:
    station.freeze()
    with pytest.raises(Forbidden):
        station.training.start(REVIEWER)
    assert station.runs.list() == []


def test_nothing_frozen_is_said(station: Station) -> None:
    with pytest.raises(InvalidInput, match="Nothing is frozen yet"):
        station.training.start(OWNER)
    station.freeze()
    with pytest.raises(NotFound, match="no dataset `d9`"):
        station.training.start(OWNER, "d9")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"colour": "red"}, "no setting `colour`"),
        ({"learning_rate": "fast"}, "`learning_rate` is `fast`. Give a number"),
        ({"learning_rate": "-1"}, "`learning_rate` is `-1.0`"),
        ({"learning_rate": "nan"}, "`learning_rate` is `nan`"),
        ({"max_steps": "2.5"}, "`max_steps` is `2.5`. Give a whole number"),
        ({"max_steps": "0"}, "`max_steps` is `0`"),
        ({"rank": "1000000"}, "`rank` is `1000000`"),
        ({"epochs": "1", "max_steps": "5"}, "Set one of them"),
        ({"quantization": "int1; touch /tmp/p"}, "`quantization` is `int1; touch /tmp/p`"),
        ({"replay_share": "0.5"}, "only the starter brings rows to replay"),
    ],
)
def test_a_wrong_setting_is_named(station: Station, overrides: dict[str, object], words: str) -> None:
    station.freeze()
    with pytest.raises(InvalidInput) as raised:
        station.training.start(OWNER, overrides=overrides)
    assert words in str(raised.value)
    assert station.runs.list() == []


def test_an_unknown_preset_or_method_is_named(station: Station) -> None:
    station.freeze()
    with pytest.raises(InvalidInput, match="no preset `huge`"):
        station.training.start(OWNER, preset="huge")
    with pytest.raises(InvalidInput, match="no method `dpo`"):
        station.training.start(OWNER, method="dpo")


def test_a_dataset_without_lessons_is_refused(station: Station) -> None:
    station.freeze(train=[])
    with pytest.raises(InvalidInput, match="no rows to train on"):
        station.training.start(OWNER)
    assert station.runs.active() is None


def test_a_changed_dataset_is_refused(station: Station) -> None:
    station.freeze()
    file = station.home.dataset_dir("d1") / "train.jsonl"
    file.write_text(file.read_text().replace("select count", "select name"))
    with pytest.raises(Damaged, match=r"train\.jsonl is damaged"):
        station.training.start(OWNER)
    assert station.runs.active() is None


def test_an_unwritable_run_directory_is_named(station: Station) -> None:
    station.freeze()
    station.home.runs.rmdir()
    station.home.runs.write_text("in the way")
    with pytest.raises(Unavailable, match=r"cannot be written to .*/runs/1"):
        station.training.start(OWNER)
    assert station.runs.active() is None
    station.home.runs.unlink()
    station.home.runs.mkdir()


def test_a_missing_base_fails_in_words(station: Station) -> None:
    station.freeze()
    station.training._base = dataclasses.replace(station.base, location="/nowhere/model")
    run = station.training.start(OWNER, overrides=QUICK)
    assert station.follow(run.number) == "failed"
    assert "`/nowhere/model` does not exist" in station.training.view(OWNER, run.number).run.reason
    assert station.store.list() == []


@pytest.fixture(scope="module")
def turned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A run that was killed, found by an app started anew, resumed, scored and promoted."""
    station = open_station(settings_for(tmp_path_factory.mktemp("turned") / "home", base))
    station.freeze()
    run = station.training.start(OWNER, overrides=QUICK)
    assert run.state == "running"
    with pytest.raises(Conflict, match="Run 1 is `running`"):
        station.training.start(OWNER)
    folder = station.home.run_dir(1)
    station.follow(1, until=lambda _: len(read_metrics(folder)) >= 14)
    station = station.reopened()
    station.training.recover()
    assert state_of(station, run) == "running"

    os.kill(process_of(folder), signal.SIGKILL)
    assert station.follow(1, seconds=10) == "interrupted"
    assert "was killed (signal 9)" in station.runs.get(1).reason
    assert station.store.list() == []

    station.training.resume(OWNER, 1)
    assert station.follow(1) == "finished"
    with pytest.raises(Conflict, match="is `finished`"):
        station.training.resume(OWNER, 1)
    yield station
    station.close()


def test_a_resumed_run_misses_no_step(turned: Station) -> None:
    view = turned.training.view(OWNER, 1)
    assert (view.progress, view.phase) == (1.0, "finished")
    assert [row["step"] for row in view.metrics] == list(range(1, 61))
    # Which checkpoint is the last depends on how far it was when the signal came.
    assert "resuming from checkpoint-" in (turned.home.run_dir(1) / "log.txt").read_text()
    assert "corrected: v1 answered 12 prompts" in view.log_tail
    assert turned.training.cpu_seconds(1) > 1


def test_a_finished_run_is_a_scored_version(turned: Station) -> None:
    version = turned.store.get("v1")
    assert (version.run, version.dataset, version.base_form) == (1, "d1", "nf4-dequantised")
    (suite,) = turned.versions.show(OWNER, "v1").scores
    assert (suite.candidate.right, suite.base.right, suite.candidate.n) == (12, 0, 12)
    verdict = turned.versions.verdict(OWNER, "v1")
    assert verdict.state == "passed"
    assert any("no general suite" in reason for reason in verdict.reasons)


def test_a_terminal_is_told_lines_and_no_records(turned: Station) -> None:
    version = report.result(
        Namespace(command="versions"), dataclasses.asdict(turned.versions.show(OWNER, "v1"))
    ).splitlines()
    assert version[0].startswith("v1: candidate, from d1, run 1, on ")
    assert " ".join(version[1].split()) == "corrected v0 0.0% of 12 [0% to 24%], v1 100.0% of 12 [76% to 100%]"
    assert version[2] == "  gate: passed, compared with v0"
    view = report.result(Namespace(command="runs"), dataclasses.asdict(turned.training.view(OWNER, 1))).splitlines()
    assert view[0] == "run 1: sft on d1, preset standard, finished, made v1" and view[1].startswith("step 60, loss ")


def test_answers_stand_side_by_side(turned: Station) -> None:
    page = turned.versions.answers(OWNER, "v1", "corrected", limit=3)
    assert (page.total, page.changed, len(page.rows)) == (12, 12, 3)
    assert [(answer.version, answer.correct) for answer in page.rows[0].answers] == [("v0", False), ("v1", True)]
    assert page.rows[0].reference == page.rows[0].answers[1].text == "select count"
    assert len(turned.versions.answers(OWNER, "v1", "corrected", limit=10, offset=9).rows) == 3
    with pytest.raises(NotFound, match="suite `general`"):
        turned.versions.answers(OWNER, "v1", "general")


def test_a_second_evaluation_finds_the_same(turned: Station) -> None:
    before = turned.versions.show(OWNER, "v1").scores
    turned.training.evaluate(OWNER, "v1", "v0")
    assert turned.versions.show(OWNER, "v1").scores == before
    with pytest.raises(NotFound, match="no version `v9`"):
        turned.training.evaluate(OWNER, "v9")


def test_one_lesson_trains_and_is_undecided(station: Station) -> None:
    station.freeze(train=LESSONS[:1], test=[])
    run = station.training.start(OWNER, overrides={"max_steps": 2})
    assert station.follow(run.number) == "finished"
    verdict = station.versions.verdict(OWNER, "v1")
    assert verdict.state == "undecided"
    assert "10 more are needed" in verdict.blocking[0]


def test_a_run_is_cancelled(station: Station) -> None:
    station.freeze()
    run = station.training.start(OWNER, overrides={"max_steps": 100_000})
    station.training.cancel(OWNER, run.number)
    assert station.training.view(OWNER, run.number).phase == "stopping"
    assert station.follow(run.number, seconds=20) == "cancelled"
    with pytest.raises(Conflict, match="nothing to cancel"):
        station.training.cancel(OWNER, run.number)


def test_a_program_that_hangs_is_killed(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.following.TERM_AFTER_S", 0.0)
    monkeypatch.setattr("flywheel.following.KILL_AFTER_S", 0.3)
    station.freeze()
    run = station.training.start(OWNER, overrides={"max_steps": 100_000})
    pid = process_of(station.home.run_dir(run.number))
    os.kill(pid, signal.SIGSTOP)
    station.training.cancel(OWNER, run.number)
    assert station.follow(run.number, seconds=20) == "cancelled"
    assert process_of(station.home.run_dir(run.number)) is None


def test_the_trainer_gets_no_secret(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    station.freeze()
    run = station.training.start(OWNER, overrides={"max_steps": 100_000})
    pid = process_of(station.home.run_dir(run.number))
    told = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"hf_canary" not in told
    assert b"OMP_NUM_THREADS=" in told
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    assert os.getsid(pid) == pid
