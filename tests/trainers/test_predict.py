import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.support.tiny import chat_row
from tests.trainers.conftest import ROWS, MakeRun, write_rows
from trainers import predict, sft
from trainers.job import Contender, Suite, read_outcome, read_predictions, request_cancel, write_predict

PROMPTS = [chat_row("how many " + "orders " * (1 + (7 * i) % 23) + str(i), "") for i in range(60)]


def answers_of(run: Path, suite: str, version: str) -> list[str]:
    return [row["text"] for row in read_predictions(run, suite, version)]


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    shutil.copytree(trained_once, run)
    write_rows(run / "suite.jsonl", PROMPTS)
    return run


def suite(base: Path, *versions: Contender, name: str = "held-out", form: str = "nf4-dequantised") -> Suite:
    return Suite(name, "suite.jsonl", versions, str(base), form, max_new_tokens=8)


def test_each_prompt_has_its_answer_in_order(trained: Path, base: Path) -> None:
    write_predict(trained, [suite(base, Contender("v0"), Contender("v1", "adapter"))])
    assert predict.run(trained) == 0
    for version in ("v0", "v1"):
        rows = read_predictions(trained, "held-out", version)
        assert [row["index"] for row in rows] == list(range(60))
        assert all(set(row) == {"index", "text", "finish_reason", "tokens"} for row in rows)
    assert answers_of(trained, "held-out", "v0") != answers_of(trained, "held-out", "v1")
    assert json.loads((trained / "predictions/progress.json").read_text()) == {"done": 120, "total": 120}
    outcome = read_outcome(trained / "predictions")
    assert outcome is not None
    assert outcome.state == "finished"


def test_batching_changes_no_answer(trained: Path, base: Path) -> None:
    import torch
    from peft import PeftModel

    from trainers.base import load_base

    write_predict(trained, [suite(base, Contender("v1", "adapter"))])
    assert predict.run(trained) == 0
    model, tokenizer = load_base(str(base), None, "nf4-dequantised", "cpu")
    model = PeftModel.from_pretrained(model, str(trained / "adapter"))
    told = read_predictions(trained, "held-out", "v1")
    for index in (0, 7, 22, 41, 59):
        text = tokenizer.apply_chat_template(PROMPTS[index]["prompt"], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(**ids, max_new_tokens=8, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert told[index]["text"] == tokenizer.decode(out, skip_special_tokens=True)
        assert told[index]["tokens"] == len(out)


def test_base_is_the_same_before_and_after_an_adapter(trained: Path, base: Path) -> None:
    order = (Contender("before"), Contender("v1", "adapter"), Contender("after"))
    write_predict(trained, [suite(base, *order)])
    assert predict.run(trained) == 0
    assert answers_of(trained, "held-out", "before") == answers_of(trained, "held-out", "after")


def test_two_adapters_do_not_mix(trained: Path, base: Path, make_run: MakeRun) -> None:
    other = make_run("other", max_steps=10, seed=9, learning_rate=2e-2)
    assert sft.run(other) == 0
    write_predict(trained, [suite(base, Contender("v1", "adapter"), Contender("v2", "../other/adapter"))])
    assert predict.run(trained) == 0
    together = [answers_of(trained, "held-out", version) for version in ("v1", "v2")]
    write_predict(trained, [suite(base, Contender("v2", "../other/adapter"), Contender("v1", "adapter"))])
    assert predict.run(trained) == 0
    assert [answers_of(trained, "held-out", version) for version in ("v1", "v2")] == together
    assert together[0] != together[1]


def test_learnt_answers_end_by_themselves(make_run: MakeRun, base: Path) -> None:
    rows = [chat_row("how many", "thank you")]
    run = make_run(rows=rows, max_steps=60, learning_rate=2e-2, rank=16)
    assert sft.run(run) == 0
    write_rows(run / "suite.jsonl", rows)
    write_predict(run, [suite(base, Contender("v1", "adapter"))])
    assert predict.run(run) == 0
    [row] = read_predictions(run, "held-out", "v1")
    assert row == {"index": 0, "text": "thank you", "finish_reason": "stop", "tokens": 3}


def test_suites_on_two_base_forms(trained: Path, base: Path) -> None:
    write_predict(trained, [suite(base, Contender("v0"), name=form, form=form) for form in ("nf4-dequantised", "full")])
    assert predict.run(trained) == 0
    assert len(answers_of(trained, "full", "v0")) == len(answers_of(trained, "nf4-dequantised", "v0")) == 60


def test_prompt_without_room_says_so(trained: Path, base: Path) -> None:
    write_rows(trained / "suite.jsonl", [chat_row("how " * 600, ""), ROWS[0]])
    write_predict(trained, [suite(base, Contender("v0"))])
    assert predict.run(trained) == 0
    rows = read_predictions(trained, "held-out", "v0")
    assert rows[0] == {"index": 0, "text": "", "finish_reason": "prompt_too_long", "tokens": 0}
    assert rows[1]["tokens"] == 8


def test_damaged_adapter_never_answers(trained: Path, base: Path) -> None:
    path = trained / "adapter/adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 64
    path.write_bytes(data)
    write_predict(trained, [suite(base, Contender("v1", "adapter"))])
    assert predict.run(trained) == 1
    outcome = read_outcome(trained / "predictions")
    assert outcome is not None
    assert "The adapter `adapter` cannot be used" in outcome.reason
    assert "damaged" in outcome.reason
    assert not list((trained / "predictions").glob("*.jsonl"))


def test_cancelled_prediction_runs_again(trained: Path, base: Path) -> None:
    versions = tuple(Contender(f"v{number}") for number in range(20))
    write_predict(trained, [suite(base, *versions)])
    watcher = threading.Thread(target=cancel_when_begun, args=(trained,))
    watcher.start()
    assert predict.run(trained) == 130
    watcher.join()
    outcome = read_outcome(trained / "predictions")
    assert outcome is not None
    assert outcome.state == "cancelled"
    write_predict(trained, [suite(base, Contender("v0"))])
    assert predict.run(trained) == 0


def cancel_when_begun(run: Path) -> None:
    while not (run / "predictions/held-out-v0.jsonl").exists():
        time.sleep(0.005)
    request_cancel(run)


@pytest.mark.parametrize("text", ["{}", '{"suites": [{"suite": "a"}]}', '{"suites": [{"colour": 1, "versions": []}]}'])
def test_wrong_request_fails_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "predict.json").write_text(text)
    assert predict.run(tmp_path) == 1
    outcome = read_outcome(tmp_path / "predictions")
    assert outcome is not None
    assert "predict.json" in outcome.reason
