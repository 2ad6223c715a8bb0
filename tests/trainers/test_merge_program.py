"""The merge as a program: what it leaves, and that it leaves nothing when it ends otherwise."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.support.adapters import make_adapter
from tests.support.tiny import chat_row
from tests.trainers.conftest import ROWS, write_rows
from trainers import base as base_module
from trainers import merge
from trainers.job import read_outcome, request_cancel, verify_manifest
from trainers.mergejob import MODEL, PROMPTS, MergeJob, merged_of, model_files, read_record, write_merge

MORE = [chat_row(f"show me the total of {a} in {b}", "") for a in "abcdefg" for b in "hijklmn"]
OF = {"version": "v1", "adapter_sha256": "abc"}


def request(folder: Path, base: Path, adapter: Path, form: str = "nf4-dequantised") -> Path:
    folder.mkdir(exist_ok=True)
    write_rows(folder / PROMPTS, [*ROWS, *MORE])
    write_merge(folder, MergeJob(str(base), form, str(adapter), of=OF))
    return folder


def reason_of(folder: Path) -> str:
    outcome = read_outcome(folder)
    assert outcome is not None
    return outcome.reason


@pytest.mark.parametrize("form", ["full", "nf4-dequantised"])
def test_a_learnt_adapter_is_merged_alike(trained_once: Path, base: Path, tmp_path: Path, form: str) -> None:
    folder = request(tmp_path / "merge", base, trained_once / "adapter", form)
    assert merge.run(folder) == 0
    model = folder / MODEL
    assert verify_manifest(model) == []
    assert merged_of(model) == OF
    parity = read_record(model).parity
    assert parity.prompts == len(ROWS) + len(MORE)
    assert parity.share >= 0.99
    assert 0 < parity.largest_difference < 2
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(model_files(model))
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_a_small_model_that_rounding_changes_is_saved_in_32_bits(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    adapter = make_adapter(base, tmp_path / "adapter", seed=3, strength=0.1)
    folder = request(tmp_path / "merge", base, adapter, "full")
    assert merge.run(folder) == 0
    record = read_record(folder / MODEL)
    assert [one.dtype for one in record.tried] == ["bfloat16", "float32"]
    assert record.tried[0].share < 0.99 < record.parity.share
    assert str(AutoModelForCausalLM.from_pretrained(folder / MODEL).dtype) == "torch.float32"


def test_a_larger_one_is_refused_with_figures(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_module, "SMALL", 1000)
    adapter = make_adapter(base, tmp_path / "adapter", seed=3, strength=0.1)
    folder = request(tmp_path / "merge", base, adapter, "full")
    before = {path.name for path in folder.iterdir()}
    assert merge.run(folder) == 3
    assert "In bfloat16 the merged form ranks" in reason_of(folder)
    assert {path.name for path in folder.iterdir()} - before == {"outcome.json", "progress.json"}


def test_a_damaged_adapter_is_not_merged(trained_once: Path, base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_once, run)
    (run / "adapter/adapter_model.safetensors").write_bytes(b"")
    folder = request(tmp_path / "merge", base, run / "adapter")
    assert merge.run(folder) == 1
    assert "cannot be merged" in reason_of(folder)
    assert not (folder / MODEL).exists()


def test_a_cancelled_merge_leaves_nothing(trained_once: Path, base: Path, tmp_path: Path) -> None:
    folder = request(tmp_path / "merge", base, trained_once / "adapter")

    def cancel_when_begun() -> None:
        while not (folder / ".logits").exists():
            time.sleep(0.005)
        request_cancel(folder)

    watcher = threading.Thread(target=cancel_when_begun)
    watcher.start()
    assert merge.run(folder) == 130
    watcher.join()
    assert not (folder / MODEL).exists()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert merge.run(folder) == 0, "the next try does it"


def test_questions_that_leave_no_room_are_said(trained_once: Path, base: Path, tmp_path: Path) -> None:
    folder = request(tmp_path / "merge", base, trained_once / "adapter")
    write_rows(folder / PROMPTS, [chat_row("orders " * 600, "")])
    assert merge.run(folder) == 1
    assert "None of the 1 prompts leaves the model room" in reason_of(folder)
