"""What becomes of a run that was started: from its program's files to a version, its scores, and an end in words.

The run directory says what happened, the store says what it means; this is the step from the one to the other, taken
again and again until the run has ended. Knows no processes but by the directory they run over.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flywheel import runfiles
from flywheel.base_model import BaseModel
from flywheel.errors import FlywheelError
from flywheel.roles import SYSTEM
from flywheel.scoring import Scoring
from flywheel.serving.engine import BASE_VERSION
from flywheel.words.catalogue import say
from storage.database import Database
from storage.home import Home
from storage.runs import Run, RunStore
from storage.transaction import Transaction
from storage.versions import VersionStore
from trainers.job import CANCEL, OUTCOME, PREDICTIONS, JobError, Outcome, process_of, read_outcome

TERM_AFTER_S, KILL_AFTER_S = 10.0, 30.0
"""Seconds after a cancel request: a program stops at its next step by itself; one that hangs is made to."""


class Programs(Protocol):
    """The processes behind runs."""

    def answer(self, folder: Path) -> None:
        """Start the program that answers what predict.json of this run asks."""

    def killed_by(self, folder: Path, evaluating: bool) -> int | None:
        """The signal that ended the run's program; None when it was none, or nobody here saw it."""


class Follower:
    """Takes the active run forward. `changing` guards every change of a run's state."""

    def __init__(
        self,
        database: Database,
        runs: RunStore,
        versions: VersionStore,
        home: Home,
        base: BaseModel,
        scoring: Scoring,
        programs: Programs,
        changing: threading.RLock,
        on_version: Callable[[str], None],
    ) -> None:
        self._database, self._runs, self._versions = database, runs, versions
        self._home, self._base, self._scoring = home, base, scoring
        self._programs, self._changing, self._on_version = programs, changing, on_version

    def advance(self, run: Run) -> None:
        """Bring the store up to what the run's program has left. Judging, the slow part, is done here too."""
        folder = self._home.run_dir(run.number)
        with self._changing:
            # The process first: one that ends between the two looks has left its outcome.
            pid = process_of(folder)
            outcome = _outcome(folder / PREDICTIONS if run.state == "evaluating" else folder)
            if outcome is None:
                self._wait_or_give_up(run, folder, pid)
            elif outcome.state != "finished":
                self._end(run, outcome.state, _reason(run, outcome.reason))
            elif run.state != "evaluating":
                self._make_version(run, folder)
        if outcome is not None and outcome.state == "finished" and run.state == "evaluating":
            self._score(run)

    def evaluate(self, run: Run) -> Run:
        """Have the run's version answer its suites, beside the base and what is served. A failure ends the run."""
        assert run.version is not None
        try:
            self.ask(run, [BASE_VERSION, self._versions.served(), run.version])
        except (FlywheelError, JobError, OSError) as error:
            return self._end(run, "failed", _reason(run, str(error)))
        return run

    def ask(self, run: Run, names: list[str]) -> None:
        """Have the run's suites answered by these versions; what is known already is not asked again."""
        folder = self._home.run_dir(run.number)
        (folder / PREDICTIONS / OUTCOME).unlink(missing_ok=True)
        if self._scoring.request(run, names):
            self._programs.answer(folder)

    def _wait_or_give_up(self, run: Run, folder: Path, pid: int | None) -> None:
        cancel = folder / CANCEL
        if pid is not None:
            if cancel.exists():
                _urge(pid, time.time() - cancel.stat().st_mtime)
        elif cancel.exists():
            self._end(run, "cancelled", say("train.why.cancelled"))
        else:
            signal_number = self._programs.killed_by(folder, run.state == "evaluating")
            self._end(run, "interrupted", _reason(run, _how_it_died(signal_number)))

    def _make_version(self, run: Run, folder: Path) -> None:
        """The run's adapter becomes a version, kept by itself; then its answers are asked for."""
        number = self._versions.next_number()
        name = f"v{number}"
        try:
            sha256 = runfiles.keep_adapter(folder, self._home.version_dir(name))
        except (FlywheelError, OSError) as error:
            self._end(run, "failed", str(error))
            return

        def record(tx: Transaction) -> Run:
            self._versions.create(
                run=run.number,
                dataset=run.dataset,
                base=self._base.name,
                revision=self._base.fingerprint,
                base_form=run.settings["base_form"],
                adapter_sha256=sha256,
                number=number,
                by=SYSTEM.id,
                tx=tx,
            )
            return self._runs.mark(run.number, "evaluating", version=name, by=SYSTEM.id, tx=tx)

        run = self._database.write(record, by=SYSTEM.id)
        self._on_version(name)
        self.evaluate(run)

    def _score(self, run: Run) -> None:
        """Outside of the lock: judging executes every answer, and a page must not wait for that."""
        assert run.version is not None
        try:
            self._scoring.settle(run, run.version, by=SYSTEM.id)
        except (FlywheelError, JobError, OSError, ValueError) as error:
            self._end(run, "failed", _reason(run, str(error)))
            return
        with self._changing:
            if (self._home.run_dir(run.number) / CANCEL).exists():
                self._end(run, "cancelled", say("train.why.cancelled"))
            else:
                self._end(run, "finished", None)

    def _end(self, run: Run, state: str, reason: str | None) -> Run:
        return self._runs.mark(run.number, state, reason=reason, by=SYSTEM.id)


def _outcome(folder: Path) -> Outcome | None:
    try:
        return read_outcome(folder)
    except JobError as error:
        return Outcome("failed", str(error), 0.0, {})


def _reason(run: Run, reason: str) -> str:
    if run.version is None:
        return reason[:1].upper() + reason[1:]
    return say("train.why.not_scored", version=run.version, reason=reason)


def _how_it_died(signal_number: int | None) -> str:
    if signal_number == signal.SIGKILL:
        return say("train.why.killed")
    if signal_number is not None:
        return say("train.why.signal", signal=signal_number)
    return say("train.why.silent")


def _urge(pid: int, waited: float) -> None:
    """Make a program stop that was asked to long ago: its whole group, since it may have helpers of its own."""
    if waited > TERM_AFTER_S:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL if waited > KILL_AFTER_S else signal.SIGTERM)
