"""Backups of a home, and a home made of one: who may, what is written about it, and what must be said afterwards.

The file itself is `storage`'s matter.
"""

import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flywheel.base_model import BaseModel, base_model
from flywheel.errors import Conflict
from flywheel.roles import SYSTEM, Principal, Role, require
from flywheel.settings import Settings
from flywheel.version import VERSION
from storage.backup import Packed, Step, pack
from storage.database import Database
from storage.home import Home
from storage.restore import Restored, unpack
from storage.runs import RunStore
from trainers.job import OUTCOME

UNDER_WAY = "It was under way when the backup was made. Resume it, or start a new run."


class Backups:
    """Makes backups of an open home, one at a time."""

    def __init__(self, database: Database, home: Home, base: BaseModel, settings: Settings) -> None:
        self._database, self._home, self._base, self._settings = database, home, base, settings
        self._making = threading.Lock()

    def make(self, who: Principal, out: Path, *, checkpoints: bool = False) -> Generator[Step, None, Packed]:
        """Write everything of this home into the new file `out`, while people go on. Only the owner may.

        Raises Conflict while another is being made, StorageError where the file cannot be written.
        """
        require(who, Role.OWNER)
        if not self._making.acquire(blocking=False):
            raise Conflict("A backup of this home is being made already. Wait for it to end.")
        try:
            facts = {
                "flywheel": VERSION,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "base": self._base.name,
                "base_fingerprint": self._base.fingerprint,
                "task": self._settings.task,
                "checkpoints": checkpoints,
            }
            return (yield from pack(self._database, self._home, out, facts, checkpoints=checkpoints))
        finally:
            self._making.release()


@dataclass(frozen=True)
class Returned:
    """A restored home, and what of the settings here does not fit it."""

    restored: Restored
    notes: list[str]


def restore(settings: Settings, archive: Path) -> Generator[Step, None, Returned]:
    """Make the home that the settings name from a backup. There is no caller to check: who may write there, owns it.

    Raises StorageError: the home holds something, the file is no whole backup, there is no room.
    """
    restored = yield from unpack(archive, settings.home, _settle)
    return Returned(restored, list(_differences(settings, restored)))


def _settle(database: Database, home: Home) -> None:
    """A run that was under way has no process here; one that had ended is taken up at the first start."""
    runs = RunStore(database)
    run = runs.active()
    if run is not None and not (home.run_dir(run.number) / OUTCOME).exists():
        runs.mark(run.number, "interrupted", reason=UNDER_WAY, by=SYSTEM.id)


def _differences(settings: Settings, restored: Restored) -> Generator[str, None, None]:
    facts, here = restored.facts, base_model(settings)
    name, fingerprint = facts.get("base"), facts.get("base_fingerprint")
    with contextlib.suppress(OSError):
        # A base on the Hub that is not here yet has no fingerprint, and its name says enough.
        other = here.fingerprint not in (fingerprint, None) or name != here.name
        if fingerprint is not None and other:
            yield (
                f"The backup was made with the base model `{_told(name)}`, and FLYWHEEL_BASE_MODEL is `{here.name}` "
                "here, with other weights. Versions trained on the former are not served until it is set again."
            )
    if facts.get("task") != settings.task:
        yield f"The backup was made with FLYWHEEL_TASK `{_told(facts.get('task'))}`, and it is `{settings.task}` here."


def _told(fact: object) -> str:
    """What a file says that anybody may have made: short, and without what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(fact)[:100])
