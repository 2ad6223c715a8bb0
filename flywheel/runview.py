"""A run as a person follows it: its figures, the end of its log, how far it is and how long it will take.

Reads a run directory and nothing else, so it shows the same to every viewer, after a reload and after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.words.catalogue import say
from storage.runs import Run
from trainers.files import read_json
from trainers.job import CANCEL, PREDICTIONS, PROGRESS, JobError, read_metrics

LOG_LINES = 40
LOG_BYTES = 64 << 10
TRAINING_SHARE = 0.75
"""Part of a run's time that training takes; the rest goes into answering and judging the suites."""
PACE_STEPS = 20


@dataclass(frozen=True)
class RunView:
    run: Run
    metrics: list[dict[str, Any]]
    """Rows of metrics.jsonl, one a step."""
    log_tail: str
    progress: float
    """0 to 1, over training and evaluation together."""
    eta_s: float | None
    """Seconds until the training ends; None when it cannot be told."""
    phase: str
    """What it is doing, in words."""


def read_view(run: Run, folder: Path) -> RunView:
    """Read what the programs have left so far. Never raises for a directory that is incomplete or gone."""
    try:
        metrics = read_metrics(folder)
    except (OSError, ValueError):
        metrics = []
    steps = _steps(run.settings, metrics)
    step = metrics[-1]["step"] if metrics else 0
    trained = min(1.0, step / steps) if steps else 0.0
    answered = _answered(folder) if run.state == "evaluating" else 0.0
    progress = {"queued": 0.0, "evaluating": TRAINING_SHARE + (1 - TRAINING_SHARE) * answered, "finished": 1.0}.get(
        run.state, TRAINING_SHARE * trained
    )
    eta = _eta(metrics, step, steps) if run.state == "running" else None
    return RunView(
        run, metrics, log_tail(folder / "log.txt"), progress, eta, _phase(run, folder, step, steps, answered)
    )


def log_tail(path: Path, lines: int = LOG_LINES) -> str:
    """The last lines of a log, without control characters; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    shown = "".join(c for c in text.replace("\r\n", "\n").replace("\r", "\n") if c in "\n\t" or c.isprintable())
    return "\n".join(shown.splitlines()[-lines:])


def _steps(settings: Mapping[str, Any], metrics: list[dict[str, Any]]) -> int | None:
    """How many steps the run will take; without max_steps it follows from the epochs seen so far."""
    if settings.get("max_steps"):
        return int(settings["max_steps"])
    if not metrics or not metrics[-1].get("epoch") or not settings.get("epochs"):
        return None
    last = metrics[-1]
    return max(int(last["step"]), round(float(last["step"]) * float(settings["epochs"]) / float(last["epoch"])))


def _eta(metrics: list[dict[str, Any]], step: int, steps: int | None) -> float | None:
    recent = metrics[-PACE_STEPS:]
    if not steps or len(recent) < 2 or recent[-1]["step"] == recent[0]["step"]:
        return None
    seconds, done = (float(recent[-1][name]) - float(recent[0][name]) for name in ("seconds", "step"))
    return max(0.0, seconds / done * (steps - step))


def _answered(folder: Path) -> float:
    try:
        told = read_json(folder / PREDICTIONS / PROGRESS)
        return float(told["done"] / told["total"])
    except (JobError, KeyError, TypeError, ZeroDivisionError):
        return 0.0


def _phase(run: Run, folder: Path, step: int, steps: int | None, answered: float) -> str:
    if run.state in ("queued", "running", "evaluating") and (folder / CANCEL).exists():
        return say("train.phase.stopping")
    if run.state == "running":
        if step == 0:
            return say("train.phase.loading")
        return say("train.phase.step_of", step=step, steps=steps) if steps else say("train.phase.step", step=step)
    if run.state == "evaluating":
        return say("train.phase.answering", share=f"{answered:.0%}") if answered < 1 else say("train.phase.comparing")
    return say("train.phase.waiting") if run.state == "queued" else say(f"train.state.{run.state}")
