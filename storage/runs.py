"""Training runs: what was asked for, and every state since as an event.

Knows nothing of processes or run directories.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.database import Database
from storage.errors import Busy, Missing, Stale
from storage.ids import new_id
from storage.records import inside, next_number, one_of, stamped
from storage.transaction import Row, Transaction

ACTIVE = ("queued", "running", "evaluating")
ENDED = ("finished", "failed", "cancelled", "interrupted")


@dataclass(frozen=True)
class Run:
    number: int
    dataset: str
    method: str
    preset: str
    settings: dict[str, Any]
    state: str
    reason: str | None
    """Why it is in this state, where there is something to say."""
    version: str | None
    """What it made."""
    created: datetime
    started: datetime | None
    ended: datetime | None
    """None while it is active."""
    by: str


class RunStore:
    """Reads and appends runs and their events."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        *,
        dataset: str,
        method: str,
        preset: str,
        settings: Mapping[str, Any],
        by: str,
        tx: Transaction | None = None,
    ) -> Run:
        """A queued run. Raises Busy while another is active."""

        def job(t: Transaction) -> Run:
            _require_idle(t, None)
            number = next_number(t, "runs", None, "run")
            at = datetime.now(UTC)
            row = {"id": new_id(), "number": number, "dataset": dataset, "method": method, "preset": preset}
            t.append("runs", stamped(row | {"settings": dict(settings)}, by, at))
            _append_event(t, number, "queued", None, None, by, at)
            return _read(t.rows, number)

        return inside(self._db, tx, by, job)

    def mark(
        self,
        number: int,
        state: str,
        *,
        reason: str | None = None,
        version: str | None = None,
        by: str,
        tx: Transaction | None = None,
    ) -> Run:
        """Append a state. Raises Missing; Stale for a finished run; Busy for waking one while another is active."""
        one_of("state", state, ACTIVE + ENDED)

        def job(t: Transaction) -> Run:
            now = _read(t.rows, number)
            if now.state == "finished" and state != "finished":
                raise Stale(f"Run {number} is finished and cannot become {state}. Start a new run.")
            if state in ACTIVE:
                _require_idle(t, number)
            _append_event(t, number, state, reason, version, by, datetime.now(UTC))
            return _read(t.rows, number)

        return inside(self._db, tx, by, job)

    def get(self, n: int) -> Run | None:
        found = self._db.rows(_RUNS + " WHERE r.number = ?", [n])
        return _run(found[0]) if found else None

    def active(self) -> Run | None:
        """The one that is queued, running or evaluating."""
        found = self._db.rows(_RUNS + _WHERE_ACTIVE, [list(ACTIVE)])
        return _run(found[0]) if found else None

    def list(self, limit: int = 50) -> list[Run]:
        """Newest first."""
        return [_run(row) for row in self._db.rows(_RUNS + " ORDER BY r.number DESC LIMIT ?", [limit])]


_RUNS = """SELECT r.number, r.dataset, r.method, r.preset, r.settings, r.created, r.created_by,
        s.state, s.reason, s.version, s.started, s.latest
    FROM runs r JOIN (
        SELECT number, arg_max(state, id) AS state, arg_max_null(reason, id) AS reason,
            arg_max(version, id) FILTER (version IS NOT NULL) AS version,
            min(created) FILTER (state = 'running') AS started, arg_max(created, id) AS latest
        FROM run_events GROUP BY number) s ON s.number = r.number"""
_WHERE_ACTIVE = " WHERE list_contains(?::VARCHAR[], s.state) ORDER BY r.number DESC LIMIT 1"


def _require_idle(tx: Transaction, number: int | None) -> None:
    found = tx.row(_RUNS + _WHERE_ACTIVE, [list(ACTIVE)])
    if found is not None and found["number"] != number:
        raise Busy(f"Run {found['number']} is {found['state']}. Wait for it or cancel it first.")


def _append_event(
    tx: Transaction, number: int, state: str, reason: str | None, version: str | None, by: str, at: datetime
) -> None:
    row = {"id": new_id(), "number": number, "state": state, "reason": reason, "version": version}
    tx.append("run_events", stamped(row, by, at))


def _read(rows: Any, number: int) -> Run:
    found = rows(_RUNS + " WHERE r.number = ?", [number])
    if not found:
        raise Missing(f"There is no run {number}. Load the page again.")
    return _run(found[0])


def _run(row: Row) -> Run:
    return Run(
        row["number"], row["dataset"], row["method"], row["preset"], json.loads(row["settings"]), row["state"],
        row["reason"], row["version"], row["created"], row["started"],
        row["latest"] if row["state"] in ENDED else None, row["created_by"],
    )  # fmt: skip
