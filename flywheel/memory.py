"""How much memory is free for this process, where the system tells it."""

import contextlib
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Bytes that can be taken without another program losing any, within the limit of a container; None: not told."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        lines = MEMINFO.read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):
        found.append(int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return max(0, min(found)) if found else None
