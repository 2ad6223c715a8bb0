"""How a trainer program lives over a run directory: it says that it runs, hears a stop request, leaves an outcome.

Knows nothing of models. Exit codes: 0 finished, 1 failed, 2 nothing to do here, 130 cancelled.
"""

import contextlib
import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from trainers import environment
from trainers.files import JobError
from trainers.job import CANCEL, OUTCOME, Outcome, process_of, read_outcome, write_outcome
from trainers.process import PROCESS, write_process

FINISHED, FAILED, REFUSED, CANCELLED = 0, 1, 2, 130


DISK_FULL = ("No space left on device", "PytorchStreamWriter failed writing", "unexpected pos")
"""How torch and safetensors say it: they do not pass the system's error on."""


class Cancelled(Exception):
    """Someone asked the program to stop, and it did so at a safe point."""


class TrainingError(Exception):
    """The work cannot go on. The message is fit for a person."""


class Stop:
    """Whether someone asked this program to stop: by the cancel file, SIGTERM or SIGINT."""

    def __init__(self, run_dir: Path) -> None:
        self._flag = run_dir / CANCEL
        self._signalled = False

    def requested(self) -> bool:
        """True once asked."""
        return self._signalled or self._flag.exists()

    def check(self) -> None:
        """Raise Cancelled once asked."""
        if self.requested():
            raise Cancelled

    def hear(self, _number: int, _frame: FrameType | None) -> None:
        """A signal handler: it only notes the request, so that no file is left half written."""
        self._signalled = True


def conduct(run_dir: Path, folder: Path, work: Callable[[Stop], dict[str, str]], *, again: bool) -> int:
    """Run `work` and leave its outcome in `folder`; return the exit code.

    `work` returns facts to record beside the library versions. A finished directory is refused unless `again`; a
    failed or cancelled one is taken up, and its outcome and its cancel file removed first.
    """
    try:
        _enter(run_dir, folder, again)
    except JobError as error:
        print(error, file=sys.stderr, flush=True)
        return REFUSED
    began = time.monotonic()
    stop = Stop(run_dir)
    facts: dict[str, str] = {}
    with _signals(stop):
        try:
            stop.check()
            facts = work(stop)
            state, reason, code = "finished", "", FINISHED
        except Cancelled as error:
            state, reason, code = "cancelled", explain(error), CANCELLED
        except Exception as error:  # the outermost edge: whatever went wrong becomes the outcome
            if not isinstance(error, JobError | TrainingError):
                traceback.print_exc()
            state, reason, code = "failed", explain(error), FAILED
        versions = environment.versions() | facts
        write_outcome(folder, Outcome(state, reason, round(time.monotonic() - began, 3), versions))
        (run_dir / PROCESS).unlink(missing_ok=True)
    print(f"{state}: {reason}" if reason else state, flush=True)
    return code


def _enter(run_dir: Path, folder: Path, again: bool) -> None:
    if not run_dir.is_dir():
        raise JobError(f"There is no run directory `{run_dir}`. Give the folder that holds job.json.")
    if (pid := process_of(run_dir)) not in (None, os.getpid()):
        raise JobError(f"A program runs over {run_dir} already (process {pid}). Wait for it, or cancel it.")
    ended = read_outcome(folder) if (folder / OUTCOME).exists() else None
    if ended is not None and ended.state == "finished" and not again:
        raise JobError(f"{run_dir} is finished. Make another run directory to train again.")
    folder.mkdir(exist_ok=True)
    if ended is not None:
        (folder / OUTCOME).unlink()
        (run_dir / CANCEL).unlink(missing_ok=True)
    write_process(run_dir)


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Hear SIGTERM and SIGINT as a request to stop, and give the old handlers back at the end."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop.hear) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def explain(error: Exception) -> str:
    """What went wrong, in words for the person who started the run."""
    text = str(error).strip()
    if isinstance(error, Cancelled):
        return "Cancelled on request."
    if isinstance(error, JobError | TrainingError):
        return text
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        return "There was not enough memory. Lower batch_size or max_length, or train on a larger machine."
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or any(words in text for words in DISK_FULL):
        return "The disk is full. Free some space and resume the run."
    first = text.splitlines()[0] if text else "no message"
    return f"{type(error).__name__}: {first}. The log holds the details."
