"""Dataset versions: frozen rows with their sides, `d1`, `d2` …, never changed.

Knows nothing of how rows are chosen or split, nor of the files that a training run reads.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from storage.consents import WITHDRAWN
from storage.database import Database
from storage.erasures import erased
from storage.errors import Missing, Stale
from storage.ids import new_id
from storage.records import next_number, number_of, one_of, stamped
from storage.tags import tags_of
from storage.transaction import Row, Transaction

SIDES = ("train", "validation", "test")
PART = 500
"""Rows of a version that are written at once."""
_NUMBERS = "SELECT number FROM dataset_versions"
FROZEN_ROWS = f"(SELECT * FROM dataset_rows WHERE number IN ({_NUMBERS}))"
"""The rows of versions that are there; those of one that is being written, or never came, are none yet."""


@dataclass(frozen=True)
class DatasetVersion:
    id: str
    """`d1`, `d2` …"""
    number: int
    name: str
    note: str
    task: str
    content_hash: str
    system_hash: str
    counts: dict[str, int]
    """Side → rows."""
    refused: list[dict[str, Any]]
    """{"example_id", "reason"} of each approved example that was left out."""
    policy: dict[str, Any]
    created: datetime
    by: str


class NewRow(Protocol):
    """What a frozen row needs; a DatasetRow is one."""

    @property
    def example_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def group_key(self) -> str: ...
    @property
    def prompt(self) -> list[dict[str, str]]: ...
    @property
    def completion(self) -> str: ...
    @property
    def provenance(self) -> str: ...


@dataclass(frozen=True)
class DatasetRow:
    dataset: str
    example_id: str
    side: str
    group_key: str
    prompt: list[dict[str, str]]
    completion: str
    provenance: str
    position: int
    """Order within the version, from 0."""
    tags: tuple[str, ...] = ()
    """Those of the example when it was frozen."""
    withdrawn: bool = False
    """Its author has withdrawn it since: no later version holds it."""


@dataclass(frozen=True)
class Placed:
    """An example as a dataset version holds it."""

    example_id: str
    number: int
    """Of the dataset version."""
    side: str
    completion: str


class DatasetStore:
    """Reads and appends dataset versions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._creating = threading.Lock()

    def create(
        self,
        *,
        name: str,
        note: str,
        task: str,
        content_hash: str,
        system_hash: str,
        refused: Sequence[Mapping[str, Any]],
        policy: Mapping[str, Any],
        rows: Sequence[NewRow],
        report: Mapping[str, Any] | None = None,
        number: int | None = None,
        by: str,
    ) -> DatasetVersion:
        """The next version. With `number` (its files were written under it) raises Stale when that is taken; so it does
        when somebody no longer allows learning from a row.

        The rows are written in parts, so that nobody's chat waits for all of them, and the version last: it is there
        only with all its rows.
        """
        for row in rows:
            one_of("side", row.side, SIDES)
        counts = {side: sum(row.side == side for row in rows) for side in SIDES}

        def job(t: Transaction) -> DatasetVersion:
            _refuse_held(t, given)
            next_number(t, "dataset_versions", given, "dataset version")
            made = DatasetVersion(
                f"d{given}", given, name or f"d{given}", note, task, content_hash, system_hash, counts,
                [dict(item) for item in refused], dict(policy), datetime.now(UTC), by,
            )  # fmt: skip
            row = {key: getattr(made, key) for key in DatasetVersion.__dataclass_fields__ if key not in ("id", "by")}
            t.append("dataset_versions", stamped(row | {"id": new_id()}, by, made.created))
            if report is not None:
                told = {"id": new_id(), "number": given, "report": dict(report)}
                t.append("dataset_reports", stamped(told, by, made.created))
            return made

        with self._creating:
            self._clear(by)
            given = self._db.write(lambda t: next_number(t, "dataset_versions", number, "dataset version"), by=by)
            for start in range(0, len(rows), PART):
                self._append(rows[start : start + PART], given, start, by)
            try:
                return self._db.write(job, by=by)
            except Stale:
                self._clear(by)
                raise

    def clear(self, *, by: str) -> int:
        """Erase the rows of a version that never came, because the process that wrote them ended; how many."""
        with self._creating:
            return self._clear(by)

    def _clear(self, by: str) -> int:
        cleared = 0
        while part := self._db.rows(f"SELECT * FROM dataset_rows WHERE number NOT IN ({_NUMBERS}) LIMIT {PART}"):
            cleared += self._db.write(partial(erased, table="dataset_rows", rows=part), by=by)
        return cleared

    def _append(self, rows: Sequence[NewRow], number: int, first: int, by: str) -> None:
        def job(t: Transaction) -> None:
            tags, at = tags_of(t.rows, [row.example_id for row in rows]), datetime.now(UTC)
            for position, new in enumerate(rows, first):
                cells = _cells(new, number, position) | {"tags": tags.get(new.example_id)}
                t.append("dataset_rows", stamped(cells, by, at))

        self._db.write(job, by=by)

    def next_number(self) -> int:
        """The number the next version would get now."""
        return int(self._db.value("SELECT coalesce(max(number), 0) + 1 FROM dataset_versions"))

    def get(self, id: str) -> DatasetVersion | None:
        found = self._db.row("SELECT * FROM dataset_versions WHERE number = ?", [number_of("d", id)])
        return _version(found) if found else None

    def report(self, id: str) -> dict[str, Any] | None:
        """What was reported of a version when it was frozen; None where nothing was."""
        found = self._db.value("SELECT report FROM dataset_reports WHERE number = ?", [number_of("d", id)])
        return dict(json.loads(found)) if found else None

    def latest(self) -> DatasetVersion | None:
        found = self._db.row("SELECT * FROM dataset_versions ORDER BY number DESC LIMIT 1")
        return _version(found) if found else None

    def by_hash(self, content_hash: str) -> DatasetVersion | None:
        """The first version with exactly this content."""
        found = self._db.row(
            "SELECT * FROM dataset_versions WHERE content_hash = ? ORDER BY number LIMIT 1", [content_hash]
        )
        return _version(found) if found else None

    def rows(
        self, id: str, side: str | None = None, limit: int | None = None, offset: int = 0, tag: str | None = None
    ) -> list[DatasetRow]:
        """In order of position, of one side or all, with a tag or any. Raises Missing for an unknown version."""
        if self.get(id) is None:
            raise Missing(f"There is no dataset version `{id}`. Freeze one, or name one of the list.")
        found = self._db.rows(
            f"SELECT *, example_id IN ({WITHDRAWN}) AS withdrawn FROM dataset_rows"
            " WHERE number = $1 AND ($2 IS NULL OR side = $2)"
            " AND ($5::VARCHAR IS NULL OR list_contains(json_extract_string(tags, '$[*]'), $5))"
            " ORDER BY position LIMIT $3 OFFSET $4",
            [number_of("d", id), side, limit, offset, tag],
        )
        return [_row(row) for row in found]

    def tag_counts(self, id: str, side: str | None = None) -> dict[str, int]:
        """Tag → rows of a version that had it when it was frozen, the most frequent first."""
        found = self._db.rows(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(json_extract_string(tags, '$[*]')) AS tag FROM dataset_rows"
            " WHERE number = $1 AND ($2 IS NULL OR side = $2)) GROUP BY tag ORDER BY n DESC, tag",
            [number_of("d", id), side],
        )
        return {row["tag"]: row["n"] for row in found}

    def placements(self) -> dict[str, tuple[str, str]]:
        """Example → (side, group_key) of its first placement ever."""
        found = self._db.rows(
            "SELECT example_id, arg_min(side, number) AS side, arg_min(group_key, number) AS group_key"
            f" FROM {FROZEN_ROWS} GROUP BY example_id"
        )
        return {row["example_id"]: (row["side"], row["group_key"]) for row in found}

    def holding(self, example_ids: Sequence[str]) -> dict[str, "list[Placed]"]:
        """Example → its place in each version that holds it, oldest version first."""
        found = self._db.rows(
            f"SELECT example_id, number, side, completion FROM {FROZEN_ROWS}"
            " WHERE example_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY number",
            [[*example_ids]],
        )
        places: dict[str, list[Placed]] = {}
        for row in found:
            places.setdefault(row["example_id"], []).append(Placed(**row))
        return places

    def withdrawn(self) -> dict[str, int]:
        """Dataset version → how many of its rows were withdrawn since; those without any are left out."""
        found = self._db.rows(
            f"SELECT number, count(*) AS n FROM {FROZEN_ROWS} WHERE example_id IN ({WITHDRAWN})"
            " GROUP BY number ORDER BY number"
        )
        return {f"d{row['number']}": row["n"] for row in found}

    def list(self) -> list[DatasetVersion]:
        """Newest first."""
        return [_version(row) for row in self._db.rows("SELECT * FROM dataset_versions ORDER BY number DESC")]


def _refuse_held(tx: Transaction, number: int) -> None:
    sql = f"SELECT count(*) FROM ({WITHDRAWN}) WHERE id IN (SELECT example_id FROM dataset_rows WHERE number = ?)"
    if held := tx.value(sql, [number]):
        raise Stale(f"{held} of these rows were withdrawn by their authors meanwhile. Freeze again.")


def _cells(row: NewRow, number: int, position: int) -> Row:
    return {
        "id": new_id(),
        "number": number,
        "position": position,
        "example_id": row.example_id,
        "side": row.side,
        "group_key": row.group_key,
        "prompt": row.prompt,
        "completion": row.completion,
        "provenance": row.provenance,
    }


def _version(row: Row) -> DatasetVersion:
    return DatasetVersion(
        f"d{row['number']}", row["number"], row["name"], row["note"], row["task"], row["content_hash"],
        row["system_hash"], json.loads(row["counts"]), json.loads(row["refused"]), json.loads(row["policy"]),
        row["created"], row["created_by"],
    )  # fmt: skip


def _row(row: Row) -> DatasetRow:
    return DatasetRow(
        f"d{row['number']}", row["example_id"], row["side"], row["group_key"], json.loads(row["prompt"]),
        row["completion"], row["provenance"], row["position"], tuple(json.loads(row["tags"] or "[]")), row["withdrawn"],
    )  # fmt: skip
