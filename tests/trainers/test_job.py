import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.job import (
    Contender,
    Job,
    JobError,
    Outcome,
    Replay,
    Suite,
    preset,
    process_alive,
    read_job,
    read_metrics,
    read_outcome,
    read_predict,
    verify_manifest,
    write_job,
    write_manifest,
    write_outcome,
    write_predict,
)
from trainers.process import write_process

GIVEN = {"base": "b", "base_form": "full", "dataset": "d1", "dataset_sha256": "abc", "max_steps": 3}


def test_job_survives_the_file(tmp_path: Path) -> None:
    job = Job(**GIVEN, replay=Replay("replay.jsonl", 0.75), libraries={"trl": "1.16.0"}, revision="abc")
    write_job(tmp_path, job)
    assert read_job(tmp_path) == job


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", "fast"),
        ("rank", 0),
        ("rank", True),
        ("batch_size", 1.5),
        ("base_form", "int8"),
        ("quantization", "nf8"),
        ("method", "rlhf"),
        ("seed", -1),
        ("base", ""),
        ("max_steps", 0),
    ],
)
def test_wrong_field_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(JobError) as caught:
        Job(**{**GIVEN, field: value})
    assert f"`{field}` is `{value}`" in str(caught.value)


@pytest.mark.parametrize("length", [{"epochs": 3.0, "max_steps": 5}, {"epochs": None, "max_steps": None}])
def test_epochs_and_steps_exclude_each_other(length: dict[str, float | None]) -> None:
    with pytest.raises(JobError, match="Give one of them"):
        Job(**{**GIVEN, **length})


@pytest.mark.parametrize("share", [1, -0.1, "half"])
def test_replay_share_stays_below_one(share: float) -> None:
    with pytest.raises(JobError, match=r"replay\.share"):
        Job(**GIVEN, replay=Replay("replay.jsonl", share))


def test_unknown_job_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({**GIVEN, "learning_rates": 1}))
    with pytest.raises(JobError, match="learning_rates"):
        read_job(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"base": "b"})])
def test_broken_job_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(JobError, match=r"job\.json"):
        read_job(tmp_path)


def jobs_of_presets(*, starter: bool) -> list[Job]:
    given = {key: value for key, value in GIVEN.items() if key != "max_steps"}
    return [Job(**given, **preset(name, starter=starter)) for name in ("quick", "standard", "careful")]


@pytest.mark.parametrize("starter", [True, False])
def test_a_more_careful_preset_learns_longer(starter: bool) -> None:
    lengths = [job.max_steps or job.epochs for job in jobs_of_presets(starter=starter)]
    assert lengths == sorted(set(lengths)), "quick, standard, careful: each takes longer than the one before"


def test_a_general_base_reads_every_row_and_changes_gently() -> None:
    fastest = min(job.learning_rate for job in jobs_of_presets(starter=True))
    for job in jobs_of_presets(starter=False):
        assert job.epochs is not None and job.epochs >= 1
        assert job.learning_rate <= fastest / 10, "a general base forgets far more under the starter's rate"


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(JobError, match="quick, standard, careful"):
        preset("turbo", starter=True)


def test_half_written_metric_waits_for_later(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2]
    assert [row["step"] for row in read_metrics(tmp_path, after_line=1)] == [2]
    assert read_metrics(tmp_path / "none") == []


def test_outcome_survives_the_file(tmp_path: Path) -> None:
    assert read_outcome(tmp_path) is None
    outcome = Outcome("failed", "The disk is full.", 1.5, {"trl": "1.16.0"})
    write_outcome(tmp_path, outcome)
    assert read_outcome(tmp_path) == outcome


def test_manifest_sees_each_kind_of_damage(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"weights")
    write_manifest(tmp_path, ["a", "b", "c"])
    assert verify_manifest(tmp_path) == []
    (tmp_path / "a").write_bytes(b"weighty")
    (tmp_path / "b").write_bytes(b"weigh")
    (tmp_path / "c").unlink()
    problems = verify_manifest(tmp_path)
    assert [problem.split()[0] for problem in problems] == ["a", "b", "c"]


def test_manifest_cannot_point_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "run"
    folder.mkdir()
    write_manifest(folder, ["../secret"])
    assert "outside" in verify_manifest(folder)[0]


def test_missing_manifest_is_a_problem(tmp_path: Path) -> None:
    assert verify_manifest(tmp_path)


def test_running_process_is_found_again(tmp_path: Path) -> None:
    assert not process_alive(tmp_path)
    write_process(tmp_path)
    assert process_alive(tmp_path)


def test_dead_process_is_not_alive(tmp_path: Path) -> None:
    code = (
        f"from pathlib import Path; from trainers.process import write_process; write_process(Path({str(tmp_path)!r}))"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process_alive(tmp_path), "a zombie counts as dead"
    child.wait()
    assert not process_alive(tmp_path)


def test_reused_process_number_is_not_alive(tmp_path: Path) -> None:
    write_process(tmp_path)
    given = json.loads((tmp_path / "process.json").read_text())
    (tmp_path / "process.json").write_text(json.dumps({**given, "started": "another boot:1"}))
    assert not process_alive(tmp_path)


def test_suites_survive_the_file(tmp_path: Path) -> None:
    suites = [Suite("general", "g.jsonl", (Contender("v0"), Contender("v1", "adapter")), "b", "full")]
    write_predict(tmp_path, suites)
    assert read_predict(tmp_path) == suites


def test_suite_name_cannot_leave_its_folder() -> None:
    with pytest.raises(JobError, match="letters"):
        Suite("../general", "g.jsonl", (Contender("v0"),), "b", "full")


def test_contract_needs_the_standard_library_alone() -> None:
    code = "import sys, trainers.job; print([m for m in ('torch', 'numpy', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
