"""Conversations and their turns: a tree by `parent_id`, oldest first by id.

Knows nothing of who may read what: services ask for the owner.
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


@dataclass(frozen=True)
class Conversation:
    id: str
    owner: str
    task: str
    title: str
    created: datetime


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

    def conversation(self, id: str) -> Conversation | None:
        found = self._db.row("SELECT * FROM conversations WHERE id = ?", [id])
        return _conversation(found) if found else None

    def latest_of(self, owner: str) -> Conversation | None:
        found = self.list_of(owner, limit=1)
        return found[0] if found else None

    def list_of(self, owner: str, limit: int = 50) -> list[Conversation]:
        """Newest first."""
        rows = self._db.rows("SELECT * FROM conversations WHERE owner = ? ORDER BY id DESC LIMIT ?", [owner, limit])
        return [_conversation(row) for row in rows]

    def all(self) -> list[Conversation]:
        """Everybody's, oldest first."""
        return [_conversation(row) for row in self._db.rows("SELECT * FROM conversations ORDER BY id")]

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


def _conversation(row: Row) -> Conversation:
    return Conversation(row["id"], row["owner"], row["task"], row["title"], row["created"])


def _turn(row: Row) -> Turn:
    return Turn(
        row["id"], row["conversation_id"], row["parent_id"], row["role"], row["content"], row["state"],
        row["version"], row["source"], json.loads(row["details"]), row["created"],
    )  # fmt: skip
