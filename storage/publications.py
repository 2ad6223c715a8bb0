"""What was published, where and when: each attempt and how it ended, as events.

Knows nothing of the Hub or of what is in a published model.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from storage.database import Database
from storage.errors import Stale
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Row, Transaction

ENDS = ("published", "failed")
VISIBILITIES = ("private", "public")


@dataclass(frozen=True)
class Publication:
    id: str
    version: str
    """What was published: a model `v1`, `v2` … or a dataset `d1`, `d2` …"""
    repo: str
    visibility: str
    """`private` or `public`, as it was asked for."""
    state: str
    """`started`, `published` or `failed`."""
    commit: str | None
    tag: str | None
    """Commit and tag on the Hub, once published."""
    reason: str | None
    """Why it failed."""
    created: datetime
    ended: datetime | None
    by: str

    @property
    def is_dataset(self) -> bool:
        """A dataset was sent; else a model."""
        return self.version.startswith("d")


class PublicationStore:
    """Reads and appends publications."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def start(self, *, version: str, repo: str, visibility: str, by: str, tx: Transaction | None = None) -> Publication:
        """An attempt that begins now. Raises BadValue."""
        one_of("visibility", visibility, VISIBILITIES)
        row = {"id": new_id(), "version": version, "repo": repo, "visibility": visibility}

        def job(t: Transaction) -> Publication:
            t.append("publications", stamped(row, by, datetime.now(UTC)))
            return _read(t, row["id"])

        return inside(self._db, tx, by, job)

    def end(
        self,
        id: str,
        state: str,
        *,
        commit: str | None = None,
        tag: str | None = None,
        reason: str | None = None,
        by: str,
        tx: Transaction | None = None,
    ) -> Publication:
        """How an attempt ended. Raises BadValue; Stale when it has ended already."""
        one_of("state", state, ENDS)
        row = {"id": new_id(), "publication_id": id, "state": state, "sha": commit, "tag": tag, "reason": reason}

        def job(t: Transaction) -> Publication:
            if _read(t, id).ended is not None:
                raise Stale("This publication has ended already. Load the page again.")
            t.append("publication_ends", stamped(row, by, datetime.now(UTC)))
            return _read(t, id)

        return inside(self._db, tx, by, job)

    def list(self) -> list[Publication]:
        """Every attempt, newest first."""
        return [_publication(row) for row in self._db.rows(_ALL + " ORDER BY p.id DESC")]

    def published(self) -> dict[str, Publication]:
        """Version → its newest publication that is whole."""
        found: dict[str, Publication] = {}
        for one in self.list():
            if one.state == "published":
                found.setdefault(one.version, one)
        return found


_ALL = """SELECT p.id, p.version, p.repo, p.visibility, p.created, p.created_by, coalesce(e.state, 'started') AS state,
        e.sha, e.tag, e.reason, e.created AS ended
    FROM publications p LEFT JOIN publication_ends e ON e.publication_id = p.id"""


def _read(tx: Transaction, id: str) -> Publication:
    (row,) = tx.rows(_ALL + " WHERE p.id = ?", [id])
    return _publication(row)


def _publication(row: Row) -> Publication:
    return Publication(
        row["id"], row["version"], row["repo"], row["visibility"], row["state"], row["sha"], row["tag"],
        row["reason"], row["created"], row["ended"], row["created_by"],
    )  # fmt: skip
