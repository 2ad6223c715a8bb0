"""The one background thread: follows the run that is under way.

It outlives every error of one round: what went wrong is logged once, and the next round tries again.
"""

import logging
import threading

from flywheel.training import Training

PAUSE_S = 0.5

log = logging.getLogger(__name__)


class Worker:
    """Calls `training.poll` until it is stopped."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether somebody looks after runs; without it, whoever waits for a run has to poll."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Take up what an earlier app left behind, then follow runs. A second call does nothing."""
        if self.alive:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the round at hand. Programs that run go on. Safe to call twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                self._training.poll()
                told = ""
            except Exception as error:
                # The thread's outermost edge: a full disk today is no reason to follow no run tomorrow.
                if str(error) != told:
                    told = str(error)
                    log.exception("following the runs failed; trying again")
            self._stopping.wait(PAUSE_S)
