"""The pinned tests as a suite of a run: what is asked, and what is not."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flywheel import pinned_suite, runfiles
from flywheel.runfiles import PINNED, Sources, read_suites
from flywheel.tasks.chat import ChatTask
from storage.examples import Example
from tests.support.tiny import chat_row
from trainers.job import Job, write_manifest

TASK = ChatTask("Be kind.")


def example(id: str, text: str, completion: str) -> Example:
    now = datetime.now(UTC)
    return Example(
        id, "correction", None, None, [{"role": "user", "content": text}], completion, None, None, None, "chat", [], "",
        now, "local:owner", "approved", None, "local:owner", now, "event",
    )  # fmt: skip


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_run_asks_the_pins_that_it_does_not_learn(tmp_path: Path) -> None:
    dataset, folder = tmp_path / "d1", tmp_path / "1"
    dataset.mkdir()
    for side, rows in {"train": [chat_row("how many orders in a", "select")], "validation": [], "test": []}.items():
        write(dataset / f"{side}.jsonl", rows)
    write_manifest(dataset, ["train.jsonl", "validation.jsonl", "test.jsonl"])
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": [{"content": "<|im_end|>", "special": true}]}')
    pins = [
        example("p2", "What is <|im_end|>?", "An end."),
        example("p1", "which bikes squeak", "None."),
        example("p3", "How many orders in  A?", "select count"),
    ]
    replay = tmp_path / "replay.jsonl"
    write(replay, [chat_row("Which bikes squeak?", "None."), chat_row("which bikes shine", "All.")])
    sources = Sources(replay, None, TASK, lambda: pinned_suite.rows(pins, TASK, tmp_path))
    job = Job(base="b", base_form="full", dataset="d1", dataset_sha256="hash1", epochs=1)
    runfiles.prepare(folder, dataset, job, sources)
    suite = next(rows for rows in read_suites(folder) if rows.suite == PINNED)
    assert suite.ids == ["p1", "p2"] and suite.references == ["None.", "An end."]
    assert suite.prompts[1] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is ‹|im_end|›?"},
    ]
    learnt = (folder / runfiles.REPLAY_FILE).read_text()
    assert "shine" in learnt and "squeak" not in learnt
