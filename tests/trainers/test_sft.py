import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.tiny import chat_row
from tests.trainers.conftest import REPLAY, ROWS, MakeRun, write_rows
from trainers import base as bases
from trainers import sft
from trainers.adapter import check_adapter
from trainers.files import read_json
from trainers.job import (
    METRICS,
    Job,
    Replay,
    process_alive,
    read_job,
    read_metrics,
    read_outcome,
    request_cancel,
    verify_manifest,
    write_job,
)

WEIGHTS = "adapter/adapter_model.safetensors"


def adapter_bytes(run: Path) -> tuple[bytes, bytes]:
    return (run / WEIGHTS).read_bytes(), (run / "adapter/adapter_config.json").read_bytes()


def reason(run: Path) -> str:
    outcome = read_outcome(run)
    assert outcome is not None
    assert outcome.state == "failed"
    return outcome.reason


def test_finished_run_leaves_what_it_promises(make_run: MakeRun, base: Path) -> None:
    run = make_run(validation=ROWS[:3])
    assert sft.run(run) == 0
    outcome = read_outcome(run)
    assert outcome is not None
    assert (outcome.state, outcome.reason) == ("finished", "")
    assert {"torch", "trl", "peft", "device", "dtype"} <= set(outcome.versions)
    assert {path.name for path in (run / "adapter").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    targets = read_json(run / "adapter/adapter_config.json")["target_modules"]
    assert targets == sorted(targets), "in the same order in every process"
    assert verify_manifest(run) == []
    assert check_adapter(run / "adapter", base) == []
    assert not process_alive(run)


def test_each_step_has_its_figures(make_run: MakeRun) -> None:
    run = make_run(validation=ROWS[:3])
    sft.run(run)
    rows = read_metrics(run)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert all(set(METRICS) == set(row) for row in rows)
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.2, "it learns"
    assert rows[-1]["eval_loss"] < rows[0]["eval_loss"] - 0.2
    assert rows[-1]["epoch"] == 4.0
    assert all(a["tokens"] < b["tokens"] for a, b in itertools.pairwise(rows))
    assert rows[0]["learning_rate"] == pytest.approx(5e-3)
    assert rows[-1]["learning_rate"] < 1e-3


def test_same_seed_gives_the_same_bytes(make_run: MakeRun) -> None:
    runs = [make_run(name, seed=seed) for name, seed in (("one", 3), ("two", 3), ("three", 4))]
    for run in runs:
        assert sft.run(run) == 0
    assert adapter_bytes(runs[0]) == adapter_bytes(runs[1])
    assert adapter_bytes(runs[0])[0] != adapter_bytes(runs[2])[0]


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_validation_leaves_the_training_alone(make_run: MakeRun, quantization: str) -> None:
    watched = make_run("watched", validation=ROWS[:3], quantization=quantization)
    alone = make_run("alone", quantization=quantization)
    assert sft.run(watched) == sft.run(alone) == 0
    assert adapter_bytes(watched) == adapter_bytes(alone)


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_resumed_run_ends_in_the_same_bytes(
    make_run: MakeRun, quantization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = make_run("straight", max_steps=24, validation=ROWS[:2], quantization=quantization)
    assert sft.run(straight) == 0
    broken = make_run("broken", max_steps=24, validation=ROWS[:2], quantization=quantization)
    shutil.copytree(straight / "checkpoints", broken / "checkpoints")
    shutil.copy(straight / "metrics.jsonl", broken / "metrics.jsonl")
    (broken / "checkpoints/checkpoint-22").mkdir()
    (broken / "checkpoints/checkpoint-20/optimizer.pt").write_bytes(b"torn")
    capsys.readouterr()
    assert sft.run(broken) == 0
    assert "resuming from checkpoint-10" in capsys.readouterr().out
    assert adapter_bytes(broken) == adapter_bytes(straight)
    rows, expected = read_metrics(broken), read_metrics(straight)
    assert [row["step"] for row in rows] == list(range(1, 25))
    for name in ("loss", "eval_loss", "tokens", "epoch", "learning_rate"):
        assert [row[name] for row in rows] == [row[name] for row in expected]


def test_adapter_is_in_32_bits(make_run: MakeRun) -> None:
    from safetensors import safe_open

    run = make_run()
    sft.run(run)
    with safe_open(run / WEIGHTS, "pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.float32"}  # noqa: SIM118


def test_cancelled_run_resumes_to_the_same_bytes(make_run: MakeRun) -> None:
    straight = make_run("straight", max_steps=50)
    assert sft.run(straight) == 0
    run = make_run("cancelled", max_steps=50)
    watcher = threading.Thread(target=cancel_after, args=(run, 5))
    watcher.start()
    assert sft.run(run) == 130
    watcher.join()
    outcome = read_outcome(run)
    assert outcome is not None
    assert outcome.state == "cancelled"
    assert not (run / "adapter").exists()
    assert 5 <= len(read_metrics(run)) < 50
    assert sft.run(run) == 0
    assert adapter_bytes(run) == adapter_bytes(straight)


def cancel_after(run: Path, rows: int) -> None:
    while len(read_metrics(run)) < rows:
        time.sleep(0.005)
    request_cancel(run)


def test_cancel_before_the_start_stops_at_once(make_run: MakeRun) -> None:
    run = make_run()
    request_cancel(run)
    assert sft.run(run) == 130
    assert not read_metrics(run)


def test_other_run_is_continued_from_its_checkpoint(make_run: MakeRun) -> None:
    straight = make_run("straight", max_steps=24)
    sft.run(straight)
    (straight / "checkpoints/checkpoint-23").mkdir()
    run = make_run("next", max_steps=24, resume_from="../straight")
    assert sft.run(run) == 0
    assert [row["step"] for row in read_metrics(run)] == [21, 22, 23, 24]
    assert adapter_bytes(run) == adapter_bytes(straight)


def test_checkpoint_of_other_settings_is_refused(make_run: MakeRun) -> None:
    sft.run(make_run("straight", max_steps=24))
    run = make_run("next", max_steps=24, resume_from="../straight", learning_rate=1e-3)
    assert sft.run(run) == 1
    assert "was made with learning_rate `0.005`, and this job says `0.001`" in reason(run)


def test_finished_directory_is_left_alone(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(max_steps=2)
    sft.run(run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    capsys.readouterr()
    assert sft.run(run) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "is finished" in said
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_diverged_run_fails_in_words(make_run: MakeRun) -> None:
    run = make_run(learning_rate=1e38)
    assert sft.run(run) == 1
    assert "became" in reason(run)
    assert "Lower `learning_rate` (it is 1e+38)" in reason(run)
    assert not (run / "adapter").exists()
    text = (run / "metrics.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    last = read_metrics(run)[-1]
    assert "loss" in last["nonfinite"]
    assert all(last[name] is None for name in last["nonfinite"])


def test_broken_weights_are_never_finished(make_run: MakeRun) -> None:
    run = make_run(max_steps=1, learning_rate=1e38)
    assert sft.run(run) == 1
    assert "not finite" in reason(run) or "became" in reason(run)
    assert not (run / "adapter").exists()


def test_one_row_trains(make_run: MakeRun) -> None:
    run = make_run(rows=ROWS[:1], max_steps=None, epochs=5, batch_size=16)
    assert sft.run(run) == 0
    rows = read_metrics(run)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_replay_rows_join_each_epoch(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(replay=Replay("replay.jsonl", 0.5), max_steps=None, epochs=1)
    assert sft.run(run) == 0
    assert f"{len(ROWS)} rows, {len(ROWS)} replay rows an epoch" in capsys.readouterr().out
    assert read_metrics(run)[-1]["epoch"] == 1
    assert len(read_metrics(run)) == 2 * len(ROWS) // 4
    assert len(REPLAY) > len(ROWS), "so that the test draws, not takes"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "train.jsonl is empty"),
        ([*ROWS, chat_row("how", "")], "line 13: the completion is empty"),
        ([*ROWS, chat_row("how", "count " * 600)], "line 13: 6"),
    ],
)
def test_unusable_rows_fail_in_words(make_run: MakeRun, rows: list[object], said: str) -> None:
    run = make_run(rows=rows)
    assert sft.run(run) == 1
    assert said in reason(run)


def test_long_validation_row_is_named(make_run: MakeRun) -> None:
    run = make_run(validation=[chat_row("how", "count " * 400)], max_length=64)
    assert sft.run(run) == 1
    assert "validation.jsonl line 1" in reason(run)
    assert "over max_length 64" in reason(run)


def test_missing_base_is_named(make_run: MakeRun) -> None:
    run = make_run(base="/models/none at all")
    assert sft.run(run) == 1
    assert reason(run) == ("The base `/models/none at all` does not exist. Give the folder of a model, or a Hub id.")


def test_missing_files_are_named(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(replay=Replay("nothing.jsonl", 0.5))
    assert sft.run(run) == 1
    assert "nothing.jsonl is missing" in reason(run)
    (run / "job.json").unlink()
    assert sft.run(run) == 1
    assert "job.json is missing" in reason(run)
    capsys.readouterr()
    assert sft.run(tmp_path / "none") == 2
    assert "There is no run directory" in capsys.readouterr().err


def test_failed_run_can_be_mended_and_run(make_run: MakeRun) -> None:
    run = make_run(rows=[])
    assert sft.run(run) == 1
    write_rows(run / "train.jsonl", ROWS)
    assert sft.run(run) == 0


def test_accumulation_learns_as_the_whole_batch(make_run: MakeRun) -> None:
    whole = make_run("whole", batch_size=12, max_steps=1)
    parts = make_run("parts", batch_size=4, accumulation=3, max_steps=1)
    assert sft.run(whole) == sft.run(parts) == 0
    [a], [b] = read_metrics(whole), read_metrics(parts)
    assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-3)
    assert a["tokens"] == b["tokens"]


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_larger_base_trains_in_16_bits(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, quantization: str) -> None:
    import torch

    monkeypatch.setattr(bases, "SMALL", 0)
    run = make_run(validation=ROWS[:2], quantization=quantization)
    assert sft.run(run) == 0
    outcome, rows = read_outcome(run), read_metrics(run)
    assert outcome is not None
    fast = torch.cpu.get_capabilities().get("avx512_bf16", False)
    assert outcome.versions["dtype"] == ("bfloat16" if fast else "float32")
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.2


@pytest.mark.slow
def test_program_stops_on_sigterm_and_goes_on(make_run: MakeRun) -> None:
    run = make_run(max_steps=400)
    program = [sys.executable, "-W", "error::UserWarning", "-m", "trainers.sft", str(run)]
    child = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(read_metrics(run)) < 3 and child.poll() is None:
        time.sleep(0.02)
    assert process_alive(run)
    second = subprocess.run(program, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"process {child.pid}" in second.stderr
    os.kill(child.pid, signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert out.splitlines()[-1] == "cancelled: Cancelled on request."
    assert err == ""
    job = read_json(run / "job.json")
    assert Job(**job) == read_job(run)
    write_job(run, Job(**job))
    assert json.loads((run / "outcome.json").read_text())["state"] == "cancelled"
