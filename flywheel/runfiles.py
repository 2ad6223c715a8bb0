"""The files of a run that the app writes: the job, copies of the dataset, replay, the suites, the adapter of a version.

Copies, so that a run directory stands alone: what was trained and scored can be looked at, and moved to another
machine, whatever becomes of the home. Knows no process and no database.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flywheel.errors import Damaged, InvalidInput
from flywheel.leakguard import question
from flywheel.neighbours import normalise
from flywheel.presets import REPLAY_FILE
from flywheel.words.catalogue import say
from storage.files import fsync_dir, sha256_file, write_durable
from trainers.files import write_json
from trainers.job import ADAPTER, ADAPTER_FILES, Job, verify_manifest, write_job, write_manifest

CORRECTED, GENERAL, PINNED = "corrected", "general", "pinned"
SUITE_FILES = {CORRECTED: "test.jsonl", GENERAL: "general.jsonl", PINNED: "pinned.jsonl"}
SIDES = ("train", "validation", "test")
WEIGHTS = "adapter_model.safetensors"
INPUTS = "inputs.json"
"""Name and sha256 of each file of rows that a run was given."""


class Asks(Protocol):
    """The part of a task that says what a model is told before a question."""

    @property
    def system_prompt(self) -> str: ...


@dataclass(frozen=True)
class Sources:
    """What every run has besides its dataset: what the base brings, and the pinned tests."""

    replay: Path | None
    general: Path | None
    task: Asks
    """Says what stands before each question of the base's."""
    pinned: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """`{"id", "prompt", "completion"}` of each pinned test, as the model is sent it."""


@dataclass(frozen=True)
class SuiteRows:
    """The questions of one suite, as they lie in a run directory."""

    suite: str
    sha256: str
    prompts: list[list[dict[str, str]]]
    references: list[str]
    ids: list[str]
    """The examples that they are; empty texts where they come with the base."""


def prepare(folder: Path, dataset: Path, job: Job, sources: Sources) -> None:
    """Make the run directory, whole or not at all.

    Raises InvalidInput when the dataset has nothing to train on, Damaged when its files are not as they were frozen.
    """
    if problems := verify_manifest(dataset):
        raise Damaged(say("error.dataset.run_damaged", dataset=dataset.name, problems="; ".join(problems)))
    if not (dataset / "train.jsonl").read_bytes().strip():
        raise InvalidInput(say("error.dataset.nothing_to_train", dataset=dataset.name))
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700, parents=True)
    for side in SIDES:
        shutil.copyfile(dataset / f"{side}.jsonl", beside / f"{side}.jsonl")
    pinned = _write_pinned(beside, sources.pinned())
    for source, name, without in (
        (sources.replay, REPLAY_FILE, pinned),
        (sources.general, SUITE_FILES[GENERAL], frozenset[str]()),
    ):
        if source is not None:
            _copy_rows(source, beside / name, sources.task, without)
    write_json(beside / INPUTS, {path.name: sha256_file(path) for path in sorted(beside.iterdir())})
    write_job(beside, job)
    if folder.exists():
        # A home restored from an older backup counts its runs from there; what lies in the way is kept.
        folder.rename(_free_name(folder))
    beside.rename(folder)
    fsync_dir(folder.parent)


def read_suites(folder: Path) -> list[SuiteRows]:
    """The suites of a run that have rows."""
    suites = []
    for suite, name in SUITE_FILES.items():
        path = folder / name
        rows = list(read_rows(path)) if path.exists() else []
        if rows:
            prompts, references = [row["prompt"] for row in rows], [row["completion"][0]["content"] for row in rows]
            ids = [row.get("id", "") for row in rows]
            suites.append(SuiteRows(suite, sha256_file(path), prompts, references, ids))
    return suites


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines. Raises Damaged naming the line that is none."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Damaged(say("error.file.bad_line", path=path, number=number, reason=error)) from error
        yield row


def keep_adapter(run: Path, version: Path) -> str:
    """Copy the adapter of a finished run to where versions are kept, by rename; returns the sha256 of its weights.

    Raises Damaged when it is not what the trainer wrote.
    """
    if problems := verify_manifest(run, [f"{ADAPTER}/{name}" for name in ADAPTER_FILES]):
        raise Damaged(say("error.run.adapter_damaged", run=run.name, problems="; ".join(problems)))
    beside = version.with_name(f".{version.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700, parents=True)
    for name in ADAPTER_FILES:
        write_durable(beside / name, (run / ADAPTER / name).read_bytes())
    write_manifest(beside, ADAPTER_FILES)
    shutil.rmtree(version, ignore_errors=True)
    beside.rename(version)
    fsync_dir(version.parent)
    return sha256_file(version / WEIGHTS)


def _write_pinned(folder: Path, rows: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Write the pinned tests that this run does not learn; returns their questions, normalised.

    One that was pinned after the dataset was frozen may stand in it: it is tested from the next freeze on.
    """
    if not rows:
        return frozenset()
    learnt = {normalise(question(row["prompt"])) for row in read_rows(folder / "train.jsonl")}
    asked = {row["id"]: normalise(question(row["prompt"])) for row in rows}
    kept = [row for row in rows if asked[row["id"]] not in learnt]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in kept]
    (folder / SUITE_FILES[PINNED]).write_text("".join(lines), encoding="utf-8")
    return frozenset(asked[row["id"]] for row in kept)


def _copy_rows(source: Path, target: Path, task: Asks, without: frozenset[str]) -> None:
    """Copy rows of the starter as a dataset would hold them: with the system message, if the task has one.

    Those that ask what is in `without` are left out."""
    system = [{"role": "system", "content": task.system_prompt}] if task.system_prompt else []
    lines = [
        json.dumps({**row, "prompt": [*system, *row["prompt"]]}, ensure_ascii=False) + "\n"
        for row in read_rows(source)
        if not without or normalise(question(row["prompt"])) not in without
    ]
    target.write_text("".join(lines), encoding="utf-8")


def _free_name(folder: Path) -> Path:
    number = 1
    while (name := folder.with_name(f"{folder.name}.old{number}")).exists():
        number += 1
    return name
