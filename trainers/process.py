"""Which process runs over a run directory, told so that a restarted app, or a second trainer, can find it.

Standard library alone. A number is not enough, since the system gives it out again: the start time goes with it.
"""

import os
import time
from pathlib import Path

from trainers.files import JobError, read_json, write_json

PROCESS = "process.json"


def write_process(run_dir: Path) -> None:
    """Leave this process's id and start, so that an app started later finds it again."""
    pid = os.getpid()
    write_json(run_dir / PROCESS, {"pid": pid, "started": process_start(pid), "at": time.time()})


def process_of(run_dir: Path) -> int | None:
    """The id of the program that runs over this directory, or None when none does."""
    try:
        given = read_json(run_dir / PROCESS)
        pid, started = int(given["pid"]), given.get("started")
    except (JobError, KeyError, TypeError, ValueError):
        return None
    now = process_start(pid)
    return pid if now is not None and now == started else None


def process_alive(run_dir: Path) -> bool:
    """True while the program that last wrote process.json runs; another process that got its number does not count."""
    return process_of(run_dir) is not None


def process_start(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None when there is none, or it is a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            rest = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if rest[0] in "ZX" else f"{_boot_id()}:{rest[19]}"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "unknown"
    return "unknown"


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""
