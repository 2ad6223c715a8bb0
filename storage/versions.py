"""Model versions, their scores, and which of them is served.

`v0` is the base itself and has no row. What is served is the latest promotion, so it survives everything that the
database survives. Knows nothing of adapters on disk, nor of the gate.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.database import Database
from storage.errors import Missing, Stale
from storage.ids import new_id
from storage.records import inside, next_number, number_of, one_of, stamped
from storage.transaction import Row, Transaction

BASE = "v0"
KINDS = ("promote", "rollback")
BASE_FORMS = ("full", "nf4-dequantised")


@dataclass(frozen=True)
class Version:
    id: str
    """`v0`, `v1` …"""
    number: int
    run: int | None
    dataset: str | None
    base: str
    """"" for `v0`: whatever base is configured."""
    revision: str | None
    base_form: str
    adapter_sha256: str | None
    created: datetime | None
    """None for `v0`."""
    state: str
    """`served`, `candidate` (never served) or `retired` (served once)."""


@dataclass(frozen=True)
class Score:
    version: str
    suite: str
    n: int
    value: float
    """Share of right answers, 0 to 1; `lo` and `hi` bound it with 95 % confidence."""
    lo: float
    hi: float
    details: dict[str, Any]
    created: datetime | None = None
    """None until it is stored."""


@dataclass(frozen=True)
class Promotion:
    id: str
    version: str
    previous: str
    kind: str
    override: str | None
    """The owner's written reason, where the gate had not passed the version."""
    verdict: dict[str, Any]
    by: str
    created: datetime


class VersionStore:
    """Reads and appends versions, scores and promotions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._served: tuple[tuple[int, int] | None, str] = (None, BASE)

    def create(
        self,
        *,
        run: int | None,
        dataset: str | None,
        base: str,
        revision: str | None,
        base_form: str,
        adapter_sha256: str | None,
        number: int | None = None,
        by: str,
        tx: Transaction | None = None,
    ) -> Version:
        """The next version. With `number` (its files lie under it) raises Stale when that is taken."""
        one_of("base form", base_form, BASE_FORMS)

        def job(t: Transaction) -> Version:
            given, at = next_number(t, "versions", number, "version"), datetime.now(UTC)
            made = Version(
                f"v{given}", given, run, dataset, base, revision, base_form, adapter_sha256, at, "candidate"
            )  # fmt: skip
            row = {name: getattr(made, name) for name in Version.__dataclass_fields__ if name not in ("id", "state")}
            t.append("versions", stamped(row | {"id": new_id()}, by, at))
            return made

        return inside(self._db, tx, by, job)

    def next_number(self) -> int:
        """The number the next version would get now."""
        return int(self._db.value("SELECT coalesce(max(number), 0) + 1 FROM versions"))

    def get(self, id: str) -> Version | None:
        """`v0` is always there, with an empty base."""
        states = self._states()
        if id == BASE:
            return Version(BASE, 0, None, None, "", None, "full", None, None, states.get(BASE, "retired"))
        found = self._db.row("SELECT * FROM versions WHERE number = ?", [number_of("v", id)])
        return _version(found, states) if found else None

    def add_scores(self, scores: Sequence[Score], *, by: str, tx: Transaction | None = None) -> None:
        """Append scores; of a version and suite the latest counts."""
        at = datetime.now(UTC)

        def job(t: Transaction) -> None:
            for score in scores:
                row = {"id": new_id(), "version": score.version, "suite": score.suite, "n": score.n}
                row |= {"value": score.value, "lo": score.lo, "hi": score.hi, "details": score.details}
                t.append("scores", stamped(row, by, at))

        inside(self._db, tx, by, job)

    def scores(self, version: str) -> list[Score]:
        """The latest of each suite, by suite."""
        return [score for score in self.all_scores() if score.version == version]

    def all_scores(self) -> list[Score]:
        """The latest of each version and suite, oldest version first."""
        rows = self._db.rows(
            "SELECT * FROM scores QUALIFY row_number() OVER (PARTITION BY version, suite ORDER BY id DESC) = 1"
        )
        return sorted((_score(row) for row in rows), key=lambda score: (number_of("v", score.version), score.suite))

    def promote(
        self,
        version: str,
        *,
        kind: str,
        override: str | None,
        verdict: Mapping[str, Any],
        by: str,
        tx: Transaction | None = None,
    ) -> Promotion:
        """Serve a version from now on. Raises Missing; Stale when it is served already."""
        one_of("kind", kind, KINDS)

        def job(t: Transaction) -> Promotion:
            known = t.value("SELECT count(*) FROM versions WHERE number = ?", [number_of("v", version)])
            if version != BASE and not known:
                raise Missing(f"There is no version `{version}`. Load the page again.")
            previous = str(t.value(_SERVED) or BASE)
            if previous == version:
                raise Stale(f"`{version}` is served already. Load the page again.")
            made = Promotion(new_id(), version, previous, kind, override, dict(verdict), by, datetime.now(UTC))
            row = {name: getattr(made, name) for name in Promotion.__dataclass_fields__ if name != "by"}
            t.append("promotions", stamped(row, by, made.created))
            return made

        return inside(self._db, tx, by, job)

    def served(self) -> str:
        """The version answers come from; `v0` until one was promoted. Every answer asks, so it is kept."""
        now = self._db.changes("promotions")
        known, version = self._served
        if known != now:
            version = str(self._db.value(_SERVED) or BASE)
            self._served = (now, version)
        return version

    def history(self) -> list[Promotion]:
        """Newest first."""
        return [_promotion(row) for row in self._db.rows("SELECT * FROM promotions ORDER BY id DESC")]

    def _states(self) -> dict[str, str]:
        history = self.history()
        states = {promotion.version: "retired" for promotion in history}
        states[history[0].version if history else BASE] = "served"
        return states

    def list(self) -> list[Version]:
        """Newest first, without `v0`."""
        states = self._states()
        return [_version(row, states) for row in self._db.rows("SELECT * FROM versions ORDER BY number DESC")]


_SERVED = "SELECT version FROM promotions ORDER BY id DESC LIMIT 1"


def _version(row: Row, states: Mapping[str, str]) -> Version:
    id = f"v{row['number']}"
    return Version(
        id, row["number"], row["run"], row["dataset"], row["base"], row["revision"], row["base_form"],
        row["adapter_sha256"], row["created"], states.get(id, "candidate"),
    )  # fmt: skip


def _score(row: Row) -> Score:
    return Score(
        row["version"], row["suite"], row["n"], row["value"], row["lo"], row["hi"], json.loads(row["details"]),
        row["created"],
    )  # fmt: skip


def _promotion(row: Row) -> Promotion:
    return Promotion(
        row["id"], row["version"], row["previous"], row["kind"], row["override"], json.loads(row["verdict"]),
        row["created_by"], row["created"],
    )  # fmt: skip
