"""The file contract of a run directory: what the app writes, what a trainer leaves, and how either reads the other.

Standard library alone, so that the app can import it without loading a model library. It knows no database and no
torch. Every file that others rely on appears whole: written beside, synced, renamed. The last file of a program is its
outcome, so an outcome's presence means that all it promises is there.

    job.json  train.jsonl  validation.jsonl  test.jsonl  predict.json      written by the app
    process.json  metrics.jsonl  checkpoints/  adapter/                    written by trainers.sft
    predictions/<suite>-<version>.jsonl  predictions/progress.json         written by trainers.predict
    MANIFEST.json, then outcome.json (predictions/outcome.json)            the end of a program
    cancel                                                                 an empty file: please stop
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainers.files import JobError as JobError
from trainers.files import read_json, write_atomically, write_json
from trainers.files import verify_manifest as verify_manifest
from trainers.files import write_manifest as write_manifest
from trainers.process import process_alive as process_alive
from trainers.process import process_of as process_of

METHODS = ("sft", "dpo", "kto")
BASE_FORMS = ("full", "nf4-dequantised")
QUANTIZATIONS = ("nf4", "none")
OUTCOMES = ("finished", "failed", "cancelled")
METRICS = (
    "step",
    "epoch",
    "loss",
    "eval_loss",
    "learning_rate",
    "grad_norm",
    "tokens",
    "tokens_per_second",
    "seconds",
)

JOB, OUTCOME, CANCEL = "job.json", "outcome.json", "cancel"
METRICS_FILE, ADAPTER, CHECKPOINTS, PREDICTIONS = "metrics.jsonl", "adapter", "checkpoints", "predictions"
PREDICT, PROGRESS = "predict.json", "progress.json"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")

STARTER_PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"max_steps": 60, "learning_rate": 3e-3},
    "standard": {"max_steps": 200, "learning_rate": 3e-3},
    "careful": {"max_steps": 240, "learning_rate": 3e-3},
}
"""Measured on the starter (about 3 million parameters) with its replay file; figures in docs/benchmarks.md. Not for any
other base: a general one forgets far more under them."""
GENERAL_PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"epochs": 1.0, "learning_rate": 2e-4},
    "standard": {"epochs": 3.0, "learning_rate": 2e-4},
    "careful": {"epochs": 5.0, "learning_rate": 1e-4},
}
"""The usual beginning for a LoRA on a base of 100 million parameters and more. Not measured on yours."""


@dataclass(frozen=True)
class Replay:
    """Rows of a base's own training, mixed in so that it does not forget."""

    file: str
    """JSON lines, in the form of train.jsonl; a relative path counts from the run directory."""
    share: float
    """Part of each epoch's rows that are replay, 0 up to but not 1: 30 rows at 0.75 bring 90 replay rows."""


@dataclass(frozen=True)
class Job:
    """What one training run is to do. Checked on construction; JobError names the field and its value."""

    base: str
    """A folder, or a Hub id that is already in the local cache."""
    base_form: str
    """The weights that the adapter will be scored and served on: `full` or `nf4-dequantised`."""
    dataset: str
    dataset_sha256: str
    revision: str | None = None
    method: str = "sft"
    seed: int = 0
    epochs: float | None = None
    """Passes over the rows, replay included. Either this or max_steps."""
    max_steps: int | None = None
    learning_rate: float = 2e-4
    """The highest; it falls along a cosine to 0."""
    rank: int = 16
    alpha: float = 32
    batch_size: int = 16
    accumulation: int = 1
    max_length: int = 512
    """Tokens of prompt and completion together. A longer row fails the run; nothing is cut."""
    replay: Replay | None = None
    quantization: str = "nf4"
    resume_from: str | None = None
    """A run directory or a checkpoint of one with the same settings; a relative path counts from the run directory."""
    libraries: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("base", "dataset", "dataset_sha256"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, str) and bool(value), "some text")
        for name in ("revision", "resume_from"):
            value = getattr(self, name)
            _check(name, value, value is None or (isinstance(value, str) and bool(value)), "some text or null")
        for name, allowed in (("method", METHODS), ("base_form", BASE_FORMS), ("quantization", QUANTIZATIONS)):
            _check(name, getattr(self, name), getattr(self, name) in allowed, "one of " + ", ".join(allowed))
        _check("seed", self.seed, _whole(self.seed, 0, 2**32 - 1), "a whole number from 0 to 4294967295")
        for name, most in (("rank", 512), ("batch_size", 4096), ("accumulation", 4096), ("max_length", 2**20)):
            value = getattr(self, name)
            _check(name, value, _whole(value, 1, most), f"a whole number from 1 to {most}")
        for name in ("learning_rate", "alpha"):
            value = getattr(self, name)
            _check(name, value, _real(value) and value > 0, "a number above 0")
        self._check_length()
        if self.replay is not None:
            file, share = self.replay.file, self.replay.share
            _check("replay.file", file, isinstance(file, str) and bool(file), "a file")
            _check("replay.share", share, _real(share) and 0 <= share < 1, "a number from 0 up to but not 1")
        _check("libraries", self.libraries, isinstance(self.libraries, Mapping), "names with their versions")

    def _check_length(self) -> None:
        if (self.epochs is None) == (self.max_steps is None):
            raise JobError(
                f"`epochs` is `{self.epochs}` and `max_steps` is `{self.max_steps}`. Give one of them and leave the "
                "other null."
            )
        if self.epochs is not None:
            _check("epochs", self.epochs, _real(self.epochs) and 0 < self.epochs <= 10_000, "a number from 0 to 10000")
        else:
            _check("max_steps", self.max_steps, _whole(self.max_steps, 1, 10**7), "a whole number of at least 1")


@dataclass(frozen=True)
class Contender:
    """A version that answers a suite."""

    name: str
    adapter: str | None = None
    """Its adapter folder; null for the base alone. A relative path counts from the run directory."""


@dataclass(frozen=True)
class Suite:
    """Rows to be answered, and by whom. All contenders of one suite stand on the same base form."""

    suite: str
    file: str
    """JSON lines with a `prompt`; a relative path counts from the run directory."""
    versions: tuple[Contender, ...]
    base: str
    base_form: str
    revision: str | None = None
    max_new_tokens: int = 128

    def __post_init__(self) -> None:
        for name in ("suite", "file", "base"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, str) and bool(value), "some text")
        _check("base_form", self.base_form, self.base_form in BASE_FORMS, "one of " + ", ".join(BASE_FORMS))
        most = self.max_new_tokens
        _check("max_new_tokens", most, _whole(most, 1, 2**20), "a whole number from 1 to 1048576")
        _check("versions", self.versions, len(self.versions) > 0, "at least one")
        for name in (self.suite, *(version.name for version in self.versions)):
            _check("name", name, bool(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)), "letters, digits, `_`, `.` or `-`")


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    state: str
    """finished, failed or cancelled"""
    reason: str
    """In plain words; empty when finished."""
    seconds: float
    """Wall time of the program, this attempt alone."""
    versions: Mapping[str, str]
    """Versions of the libraries, and what it ran on."""


def preset(name: str, *, starter: bool) -> dict[str, Any]:
    """The job fields of a preset, for `Job(**…)`; `replay` is left to the caller, since only he knows the file."""
    presets = STARTER_PRESETS if starter else GENERAL_PRESETS
    if name not in presets:
        raise JobError(f"There is no preset `{name}`. Choose one of {', '.join(presets)}.")
    return dict(presets[name])


def write_job(run_dir: Path, job: Job) -> None:
    """Write job.json."""
    write_json(run_dir / JOB, asdict(job))


def read_job(run_dir: Path) -> Job:
    """Read job.json; JobError when it is missing, no JSON, or has a wrong or unknown field."""
    given = read_json(run_dir / JOB)
    known = {f.name for f in fields(Job)}
    if unknown := sorted(set(given) - known):
        raise JobError(f"{run_dir / JOB}: unknown field `{unknown[0]}`. A newer release may have written it.")
    needed = [f.name for f in fields(Job) if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in given]:
        raise JobError(f"{run_dir / JOB}: `{missing[0]}` is missing. Give it a value.")
    if given.get("replay") is not None:
        replay = given["replay"]
        if not isinstance(replay, dict) or set(replay) != {"file", "share"}:
            raise JobError(f"`replay` is `{replay}`. Give an object of `file` and `share`, or null.")
        given["replay"] = Replay(**replay)
    return Job(**given)


def write_predict(run_dir: Path, suites: Sequence[Suite]) -> None:
    """Write predict.json."""
    write_json(run_dir / PREDICT, {"suites": [asdict(suite) for suite in suites]})


def read_predict(run_dir: Path) -> list[Suite]:
    """Read predict.json; JobError when it is missing or has a wrong or unknown field."""
    given = read_json(run_dir / PREDICT).get("suites")
    try:
        suites = [Suite(**{**s, "versions": tuple(Contender(**v) for v in s["versions"])}) for s in given or []]
    except (TypeError, KeyError) as error:
        raise JobError(f"{run_dir / PREDICT} is not a list of suites ({error}). Write it again.") from error
    if not suites:
        raise JobError(f"{run_dir / PREDICT} names no suite. Give at least one.")
    return suites


def read_predictions(run_dir: Path, suite: str, version: str) -> list[dict[str, Any]]:
    """The answers of one version to one suite, in the suite's order: index, text, finish_reason, tokens."""
    path = predictions_file(run_dir, suite, version)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def predictions_file(run_dir: Path, suite: str, version: str) -> Path:
    """Where those answers lie."""
    return run_dir / PREDICTIONS / f"{suite}-{version}.jsonl"


def read_metrics(run_dir: Path, after_line: int = 0) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl after the first `after_line` ones; a last line still being written is left for later.

    One row a step. A run that resumes repeats no line: what lies beyond its checkpoint is cut off first and then
    written again with the same figures.
    """
    path = run_dir / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines[after_line:]]


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write outcome.json into the run directory, or into its predictions folder."""
    write_json(folder / OUTCOME, asdict(outcome))


def read_outcome(folder: Path) -> Outcome | None:
    """How the program ended, or None while it has not (or died)."""
    if not (folder / OUTCOME).exists():
        return None
    given = read_json(folder / OUTCOME)
    try:
        outcome = Outcome(**given)
    except TypeError as error:
        raise JobError(f"{folder / OUTCOME} is not an outcome ({error}). Remove it and run again.") from error
    if outcome.state not in OUTCOMES:
        raise JobError(f"{folder / OUTCOME}: `state` is `{outcome.state}`. Remove the file and run again.")
    return outcome


def request_cancel(run_dir: Path) -> None:
    """Ask the program over this directory to stop at its next step."""
    write_atomically(run_dir / CANCEL, b"")


def _check(name: str, value: object, right: bool, wanted: str) -> None:
    if not right:
        raise JobError(f"`{name}` is `{value}`. Give {wanted}.")


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
