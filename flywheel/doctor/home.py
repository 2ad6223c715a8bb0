"""A home as a folder: rights, keys, room on the disk, who holds it. Changes nothing and opens no database."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from flywheel.doctor.finding import OK, PROBLEM, WARNING, Finding
from storage.home import Home
from storage.lock import Holder

LEAST_FREE, LITTLE_FREE = 200 << 20, 2 << 30


def folder(home: Home) -> Iterator[Finding]:
    """Whether it is there, writable and private."""
    path = home.path
    if not path.exists():
        yield Finding(WARNING, "home", f"`{path}` is not there yet", "The first start makes it.")
    elif not path.is_dir():
        yield Finding(PROBLEM, "home", f"`{path}` is no folder", "Name a folder in FLYWHEEL_HOME.")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Finding(PROBLEM, "home", f"`{path}` cannot be written", "Change its rights, or name another folder.")
    elif _open_to_others(path):
        yield Finding(WARNING, "home", f"others on this machine can read `{path}`", f"chmod 700 {path}")
    else:
        yield Finding(OK, "home", f"`{path}`")


def keys(home: Home) -> Iterator[Finding]:
    """The two key files: private, and of the right length. None of them is made here."""
    for path, read in ((home.secret_key, home.secret), (home.owner_key, home.owner_token)):
        if not path.exists():
            words = f"`{path.name}` is missing"
            yield Finding(WARNING, "keys", words, "The next start makes a new one: old links and cookies then end.")
        elif _open_to_others(path):
            yield Finding(PROBLEM, "keys", f"others can read `{path}`", f"chmod 600 {path}")
        else:
            read()
            yield Finding(OK, "keys", f"`{path.name}` is private and whole")


def disk(home: Home) -> Iterator[Finding]:
    """Room where the home is, or would be."""
    place = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(place).free
    words = f"{free / 1e9:,.1f} GB free under `{place}`"
    if free < LEAST_FREE:
        yield Finding(PROBLEM, "disk", words, "Free some space: writes fail when it is full.")
    elif free < LITTLE_FREE:
        yield Finding(WARNING, "disk", words, "A training run with a large base needs more.")
    else:
        yield Finding(OK, "disk", words)


def left_behind(home: Home) -> Iterator[Finding]:
    """What damage or a cut-off restore left, for a person to look at."""
    for path in sorted(home.path.glob("*")) if home.path.is_dir() else ():
        if ".corrupt-" in path.name or ".found-" in path.name:
            yield Finding(WARNING, "traces", f"`{path}` was kept after damage", "Look at it, then delete it.")
    if (home.path / ".restore").exists():
        todo = "Empty the folder, then restore again."
        yield Finding(PROBLEM, "traces", f"a restore into `{home.path}` was cut off", todo)


def held(app: Holder | None) -> Iterator[Finding]:
    """Who works on the home now."""
    if app is None:
        yield Finding(OK, "lock", "nobody works on this home now")
    elif not app.url:
        yield Finding(WARNING, "lock", f"pid {app.pid} works on this home", "Wait for it, then ask again.")
    else:
        yield Finding(OK, "lock", f"the app runs: pid {app.pid}, {app.url}")


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
