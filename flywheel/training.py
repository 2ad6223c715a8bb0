"""Runs: started, looked at, cancelled, resumed.

A run is a process of its own over a directory of files, so it outlives this one: an app that starts again finds it by
process id and start time. What becomes of it then is `following`'s; how rows are learnt and answered is the trainers'.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flywheel import presets, programs, runfiles
from flywheel.base_model import BaseModel
from flywheel.errors import Conflict, FlywheelError, InvalidInput, NotFound, Unavailable
from flywheel.following import Follower
from flywheel.programs import PREDICT, SFT, launch
from flywheel.roles import Principal, Role, require
from flywheel.runview import RunView, read_view
from flywheel.scoring import Scoring
from flywheel.serving.engine import BASE_VERSION
from flywheel.words.catalogue import say
from storage.database import Database
from storage.datasets import DatasetStore, DatasetVersion
from storage.home import Home
from storage.runs import ACTIVE, Run, RunStore
from storage.versions import VersionStore
from trainers.job import CANCEL, OUTCOME, PREDICTIONS, JobError, process_of, read_outcome, request_cancel

RESUMABLE = ("interrupted", "cancelled", "failed")
WAIT_S = 0.2


class Training:
    """All runs of one home. Thread-safe; `poll` is called every second or so by whoever is about."""

    def __init__(
        self,
        database: Database,
        runs: RunStore,
        versions: VersionStore,
        datasets: DatasetStore,
        home: Home,
        base: BaseModel,
        scoring: Scoring,
        on_version: Callable[[str], None] = lambda version: None,
    ) -> None:
        """`on_version` is told the name of each version that a run made, before it is scored."""
        self._home, self._base, self._scoring = home, base, scoring
        self._runs, self._versions, self._datasets = runs, versions, datasets
        self._changing = threading.RLock()
        self._polling = threading.Lock()
        self._follower = Follower(
            database, runs, versions, home, base, scoring, _Programs(), self._changing, on_version
        )

    def start(
        self,
        who: Principal,
        dataset: str | None = None,
        method: str = "sft",
        preset: str = "standard",
        overrides: Mapping[str, object] | None = None,
    ) -> Run:
        """Start a run over a frozen dataset, the newest unless named, and return at once.

        Raises Conflict while another run is under way, NotFound for an unknown dataset, InvalidInput for a setting.
        """
        require(who, Role.OWNER)
        self._base.require_here(say("train.elsewhere"))
        with self._changing:
            self._refuse_second()
            self._base.present()
            frozen = self._dataset(dataset)
            self._refuse_withdrawn(frozen.id)
            job = presets.plan(
                self._base,
                dataset=frozen.id,
                dataset_sha256=frozen.content_hash,
                method=method,
                name=preset,
                overrides=overrides or {},
            )
            settings = presets.recorded(job)
            run = self._runs.create(dataset=frozen.id, method=method, preset=preset, settings=settings, by=who.id)
            folder = self._home.run_dir(run.number)
            try:
                runfiles.prepare(folder, self._home.dataset_dir(frozen.id), job, self._scoring.sources())
                launch(folder, SFT)
            except (FlywheelError, JobError, OSError) as error:
                self._runs.mark(run.number, "failed", reason=say("train.not_started", reason=error), by=who.id)
                if isinstance(error, OSError):
                    raise Unavailable(
                        say("error.run.files_unwritable", run=run.number, folder=folder, reason=error.strerror)
                    ) from error
                raise
            return self._runs.mark(run.number, "running", by=who.id)

    def _refuse_withdrawn(self, dataset: str) -> None:
        if count := self._datasets.withdrawn().get(dataset, 0):
            raise Conflict(say("error.dataset.withdrawn", dataset=dataset, count=count))

    def listing(self, who: Principal, limit: int = 50) -> list[Run]:
        """Runs, newest first."""
        require(who, Role.OWNER)
        return self._runs.list(limit=limit)

    def view(self, who: Principal, number: int) -> RunView:
        """A run as a page shows it: figures, the end of its log, how far it is. Raises NotFound."""
        require(who, Role.OWNER)
        return read_view(self._run(number), self._home.run_dir(number))

    def cancel(self, who: Principal, number: int) -> Run:
        """Ask a run to stop; it does so at its next step, and can be resumed. Raises Conflict when it has ended."""
        require(who, Role.OWNER)
        with self._changing:
            run = self._run(number)
            if run.state not in ACTIVE:
                raise Conflict(say("error.run.ended", run=number, state=run.state))
            request_cancel(self._home.run_dir(number))
            return run

    def resume(self, who: Principal, number: int) -> Run:
        """Go on with a run that did not finish, from its last checkpoint. Raises Conflict when it cannot."""
        require(who, Role.OWNER)
        self._base.require_here(say("train.elsewhere"))
        with self._changing:
            run = self._run(number)
            if run.state not in RESUMABLE:
                raise Conflict(say("error.run.not_resumable", run=number, state=run.state))
            self._refuse_second()
            folder = self._home.run_dir(number)
            if not folder.is_dir():
                raise Conflict(say("error.run.files_gone", run=number, folder=folder))
            # Left lying, they would be taken for how this attempt ended.
            for left in (folder / OUTCOME, folder / CANCEL):
                left.unlink(missing_ok=True)
            if run.version is not None:
                return self._follower.evaluate(self._runs.mark(number, "evaluating", by=who.id))
            launch(folder, SFT)
            return self._runs.mark(number, "running", by=who.id)

    def evaluate(self, who: Principal, name: str, against: str | None = None) -> None:
        """Score a version again on the suites of its run, beside the base, what is served, and `against`.

        Blocks until it is done. Raises NotFound; Conflict while its run or another evaluation goes on; Unavailable
        with the reason when the answers could not be made.
        """
        require(who, Role.OWNER)
        self._base.require_here(say("elsewhere.scored"))
        version = self._versions.get(name)
        if version is None or version.run is None:
            raise NotFound(say("error.version.not_made", version=name))
        if against is not None and self._versions.get(against) is None:
            raise NotFound(say("error.version.unknown", version=against))
        run, folder = self._run(version.run), self._home.run_dir(version.run)
        with self._changing:
            if run.state in ACTIVE or process_of(folder) is not None:
                raise Conflict(say("error.version.scored_now", version=name))
            (folder / CANCEL).unlink(missing_ok=True)
            others = [BASE_VERSION, self._versions.served(), *([against] if against else [])]
            self._follower.ask(run, [*others, name])
        while (outcome := read_outcome(folder / PREDICTIONS)) is None:
            if process_of(folder) is None and read_outcome(folder / PREDICTIONS) is None:
                raise Unavailable(say("error.version.scoring_died", version=name, path=folder / "log.txt"))
            time.sleep(WAIT_S)
        if outcome.state != "finished":
            raise Unavailable(say("error.version.not_scored", version=name, reason=outcome.reason))
        self._scoring.settle(run, name, by=who.id)

    def cpu_seconds(self, number: int) -> float | None:
        """Processor seconds that training this run took, if its program was started by this process and has ended."""
        return programs.cpu_seconds(self._home.run_dir(number), SFT)

    def recover(self) -> None:
        """At the start of the app: take up a run that went on, or say that it was interrupted."""
        self.poll()

    def poll(self) -> None:
        """Bring the store up to what the running program left in its files; judge its answers when they are there.

        Returns at once when another thread is at it. While the base is at another server a run of before is left as it
        is: it belongs to the base it was started on, and is taken up when that is configured again.
        """
        if self._base.is_remote or not self._polling.acquire(blocking=False):
            return
        try:
            programs.collect()
            run = self._runs.active()
            if run is not None:
                self._follower.advance(run)
        finally:
            self._polling.release()

    def _refuse_second(self) -> None:
        active = self._runs.active()
        if active is not None:
            raise Conflict(say("error.run.active", run=active.number, state=active.state))

    def _dataset(self, name: str | None) -> DatasetVersion:
        found = self._datasets.latest() if name is None else self._datasets.get(name)
        if found is not None:
            return found
        if name is None:
            raise InvalidInput(say("error.run.nothing_frozen"))
        raise NotFound(say("error.run.no_dataset", dataset=name))

    def _run(self, number: int) -> Run:
        found = self._runs.get(number)
        if found is None:
            raise NotFound(say("error.run.unknown", run=number))
        return found


class _Programs:
    """What `following` needs of the processes."""

    def answer(self, folder: Path) -> None:
        launch(folder, PREDICT)

    def killed_by(self, folder: Path, evaluating: bool) -> int | None:
        return programs.killed_by(folder, PREDICT if evaluating else SFT)
