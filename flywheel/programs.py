"""The processes of their own that the app starts: programs of `trainers` over a directory, and how each one ended.

The only place that starts one. A program outlives this process, so what it did is read from its directory; here is
only what the system tells the parent. Knows no runs, no versions and no store.
"""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from flywheel.settings import child_environment
from trainers.files import write_json
from trainers.process import PROCESS, process_start

ROOT = Path(__file__).resolve().parent.parent
SFT, PREDICT, MERGE = "trainers.sft", "trainers.predict", "trainers.merge"
NICENESS = 10
DYING_S = 2.0


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    folder: Path
    program: str


_children: dict[int, _Child] = {}
"""Processes this one started. They belong to it, not to a service: somebody has to collect them when they end."""
_ended: dict[tuple[Path, str], tuple[int, float]] = {}
"""Exit code and processor seconds of those that ended; a negative code is the signal that killed it."""
_collecting = threading.Lock()


def launch(folder: Path, program: str) -> None:
    """Start a program over a directory, in a session of its own so that it outlives this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # One core stays with the chat.
    environment = child_environment() | {"OMP_NUM_THREADS": str(max(1, cores - 1))}
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", program, str(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _ended.pop((folder, program), None)
    _children[child.pid] = _Child(child, folder, program)
    # Before it can say so itself, and whatever becomes of us meanwhile.
    write_json(folder / PROCESS, {"pid": child.pid, "started": process_start(child.pid), "at": time.time()})
    os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)


def collect() -> None:
    """Take note of the programs that have ended. Any thread may call it."""
    with _collecting:
        for pid, child in list(_children.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                child.process.returncode = code = os.waitstatus_to_exitcode(status)
                _ended[child.folder, child.program] = code, usage.ru_utime + usage.ru_stime
                del _children[pid]


def killed_by(folder: Path, program: str) -> int | None:
    """The signal that ended the program last started over this directory; None when none did, or nobody here saw it."""
    wait_for_end(folder, program)
    code, _ = _ended.get((folder, program), (0, 0.0))
    return -code if code < 0 else None


def wait_for_end(folder: Path, program: str) -> None:
    """Collect a program that has said or shown that it ends; the system takes a moment longer."""
    end = time.monotonic() + DYING_S
    while _runs(folder, program) and time.monotonic() < end:
        # Dead by its first thread, it is collected only when its last one is gone.
        collect()
        time.sleep(0.02)


def cpu_seconds(folder: Path, program: str) -> float | None:
    """Processor seconds of the program last started over this directory by this process, once it has ended."""
    ended = _ended.get((folder, program))
    return None if ended is None else round(ended[1], 2)


def _runs(folder: Path, program: str) -> bool:
    return any((child.folder, child.program) == (folder, program) for child in list(_children.values()))
