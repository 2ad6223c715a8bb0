"""Conversations and their turns: a tree by `parent_id`, oldest first by id; and what their owners do with them.

Nothing is overwritten: a new title, the branch to show and a deletion are events, of which the newest counts. Knows
nothing of who may read what: services ask for the owner.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.transaction import Row, Transaction

ROLES = ("user", "assistant", "tool")
STATES = ("complete", "stopped", "failed", "aborted")
SOURCES = ("page", "rest", "cli", "demo")
KINDS = ("renamed", "deleted", "shown")
AFTER_ALL = "~"
"""Greater than every id."""

_LISTED = """
    WITH mine AS (SELECT id, title, created FROM conversations WHERE owner = $1 AND id NOT IN
        (SELECT conversation_id FROM conversation_events WHERE kind = 'deleted')),
    names AS (SELECT conversation_id, arg_max(title, id) AS title FROM conversation_events
        WHERE kind = 'renamed' GROUP BY conversation_id),
    said AS (SELECT conversation_id, max(id) AS last, max(created) AS updated, count(*) AS turns FROM turns
        WHERE conversation_id IN (SELECT id FROM mine) GROUP BY conversation_id),
    listed AS (SELECT mine.id AS id, coalesce(names.title, mine.title) AS title,
        coalesce(updated, mine.created) AS updated, coalesce(turns, 0) AS turns, coalesce(last, mine.id) AS place
        FROM mine LEFT JOIN names ON names.conversation_id = mine.id LEFT JOIN said ON said.conversation_id = mine.id)
    SELECT * FROM listed WHERE place < $2 AND ($3 = '' OR contains(lower(title), $3) OR id IN
        (SELECT conversation_id FROM turns WHERE conversation_id IN (SELECT id FROM mine)
            AND contains(lower(content), $3)))
    ORDER BY place DESC LIMIT $4"""
_LATEST = """
    WITH mine AS (SELECT id FROM conversations WHERE owner = $1 AND id NOT IN
        (SELECT conversation_id FROM conversation_events WHERE kind = 'deleted'))
    SELECT conversation_id FROM (
        SELECT id AS conversation_id, id AS place FROM mine
        UNION ALL SELECT conversation_id, id FROM turns WHERE conversation_id IN (SELECT id FROM mine)
        UNION ALL SELECT conversation_id, id FROM conversation_events
            WHERE kind = 'shown' AND conversation_id IN (SELECT id FROM mine))
    ORDER BY place DESC LIMIT 1"""


@dataclass(frozen=True)
class Conversation:
    id: str
    owner: str
    task: str
    title: str
    """As its owner named it last."""
    created: datetime
    deleted: bool = False


@dataclass(frozen=True)
class Listed:
    """A conversation in its owner's list."""

    id: str
    title: str
    updated: datetime
    """When its newest turn came."""
    turns: int
    """Of all branches."""
    place: str
    """Where it stands in the list: the next page is what comes `before` it."""


@dataclass(frozen=True)
class Turn:
    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    content: str
    state: str
    version: str | None
    source: str
    details: dict[str, Any]
    """Of an assistant turn: base, rendered prompt, sampling, tokens, latencies, finish reason, the SQL outcome …"""
    created: datetime


class ConversationStore:
    """Reads and appends conversations and turns."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def start(self, *, owner: str, task: str, title: str = "", by: str, tx: Transaction | None = None) -> Conversation:
        """A new, empty conversation."""
        made = Conversation(new_id(), owner, task, title, datetime.now(UTC))
        row = {"id": made.id, "owner": owner, "task": task, "title": title}
        inside(self._db, tx, by, lambda t: t.append("conversations", stamped(row, by, made.created)))
        return made

    def add_turn(
        self,
        *,
        id: str | None = None,
        conversation_id: str,
        parent_id: str | None,
        role: str,
        content: str,
        state: str = "complete",
        version: str | None = None,
        source: str = "page",
        details: Mapping[str, Any] | None = None,
        by: str,
        tx: Transaction | None = None,
    ) -> Turn:
        """Store a turn, with the id it was shown under where one is given. Raises Missing, BadValue; Stale for an id
        that is stored already."""
        one_of("role", role, ROLES)
        one_of("state", state, STATES)
        one_of("source", source, SOURCES)
        made = Turn(
            id or new_id(), conversation_id, parent_id, role, content, state, version, source,
            dict(details or {}), datetime.now(UTC),
        )  # fmt: skip
        row = {name: getattr(made, name) for name in Turn.__dataclass_fields__}

        def job(t: Transaction) -> None:
            if not t.holds("conversations", conversation_id):
                raise Missing(f"There is no conversation `{conversation_id}`. Start a new one.")
            if parent_id is not None and not t.holds("turns", parent_id):
                raise Missing(f"There is no turn `{parent_id}` to answer to. Load the conversation again.")
            t.append("turns", stamped(row, by, made.created))

        inside(self._db, tx, by, job)
        return made

    def note(
        self,
        conversation_id: str,
        kind: str,
        *,
        title: str | None = None,
        turn_id: str | None = None,
        by: str,
        tx: Transaction | None = None,
    ) -> None:
        """Keep that a conversation was `renamed` (to `title`), `deleted`, or `shown` up to and past `turn_id`.

        Raises Missing, BadValue.
        """
        one_of("kind", kind, KINDS)
        row = {"id": new_id(), "conversation_id": conversation_id, "kind": kind, "title": title, "turn_id": turn_id}

        def job(t: Transaction) -> None:
            if not t.holds("conversations", conversation_id):
                raise Missing(f"There is no conversation `{conversation_id}`. Start a new one.")
            t.append("conversation_events", stamped(row, by, datetime.now(UTC)))

        inside(self._db, tx, by, job)

    def conversation(self, id: str) -> Conversation | None:
        """With its present title; a deleted one too, marked."""
        found = self._db.row("SELECT * FROM conversations WHERE id = ?", [id])
        if found is None:
            return None
        events = self._db.rows(
            "SELECT kind, title FROM conversation_events WHERE conversation_id = ? ORDER BY id", [id]
        )
        titles = [event["title"] for event in events if event["kind"] == "renamed"]
        deleted = any(event["kind"] == "deleted" for event in events)
        return _conversation({**found, "title": titles[-1] if titles else found["title"]}, deleted)

    def latest_of(self, owner: str) -> Conversation | None:
        """The one in which something was said or chosen last."""
        found = self._db.value(_LATEST, [owner])
        return self.conversation(found) if found else None

    def list_of(self, owner: str, *, search: str = "", before: str | None = None, limit: int = 50) -> list[Listed]:
        """Newest turn first, without the deleted ones; `search` in titles and in all that was said."""
        rows = self._db.rows(_LISTED, [owner, before or AFTER_ALL, search.lower(), limit])
        return [Listed(**row) for row in rows]

    def answered(self, owner: str, since: datetime, most: int) -> list[datetime]:
        """When the newest answers of models in one's conversations came, oldest first; at most `most`.

        Two answers beside each other are one answer to one question, whichever of them was kept.
        """
        rows = self._db.rows(
            "SELECT min(created) AS created FROM turns"
            " WHERE role = 'assistant' AND version IS NOT NULL AND created > $2"
            " AND conversation_id IN (SELECT id FROM conversations WHERE owner = $1)"
            " GROUP BY least(id, coalesce(json_extract_string(details, '$.beside'), id))"
            " ORDER BY min(id) DESC LIMIT $3",
            [owner, since, most],
        )
        return [row["created"] for row in reversed(rows)]

    def all(self) -> list[Conversation]:
        """Everybody's, oldest first, under their first titles; the deleted ones are left out."""
        rows = self._db.rows(
            "SELECT * FROM conversations WHERE id NOT IN"
            " (SELECT conversation_id FROM conversation_events WHERE kind = 'deleted') ORDER BY id"
        )
        return [_conversation(row) for row in rows]

    def choices(self, conversation_id: str) -> dict[str, str]:
        """Turn → id of the newest event that chose it to be shown; ids are ordered by time, a turn's own as well."""
        rows = self._db.rows(
            "SELECT turn_id, max(id) AS id FROM conversation_events"
            " WHERE conversation_id = ? AND kind = 'shown' GROUP BY turn_id",
            [conversation_id],
        )
        return {row["turn_id"]: row["id"] for row in rows}

    def turns(self, conversation_id: str) -> list[Turn]:
        """Oldest first, all branches."""
        rows = self._db.rows("SELECT * FROM turns WHERE conversation_id = ? ORDER BY id", [conversation_id])
        return [_turn(row) for row in rows]

    def turn(self, id: str) -> Turn | None:
        found = self._db.row("SELECT * FROM turns WHERE id = ?", [id])
        return _turn(found) if found else None

    def path_to(self, turn_id: str) -> list[Turn]:
        """The turn and all it answers to, root first; empty for an unknown id."""
        last = self.turn(turn_id)
        if last is None:
            return []
        known = {turn.id: turn for turn in self.turns(last.conversation_id)}
        path = [last]
        while path[-1].parent_id in known:
            path.append(known.pop(path[-1].parent_id))
        return path[::-1]

    def counts(self) -> dict[str, int]:
        """{"conversations", "turns"}."""
        return (
            self._db.row(
                "SELECT (SELECT count(*) FROM conversations) AS conversations, (SELECT count(*) FROM turns) AS turns"
            )
            or {}
        )


def _conversation(row: Row, deleted: bool = False) -> Conversation:
    return Conversation(row["id"], row["owner"], row["task"], row["title"], row["created"], deleted)


def _turn(row: Row) -> Turn:
    return Turn(
        row["id"], row["conversation_id"], row["parent_id"], row["role"], row["content"], row["state"],
        row["version"], row["source"], json.loads(row["details"]), row["created"],
    )  # fmt: skip
