"""Examples: a prompt and the completion somebody wants, from proposal to decision.

The origin never changes; everything after is an event with the whole text, and the latest is what it is now. Where the
author does not allow learning, an example is in no list, count or decision. Knows nothing of who may decide.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from storage.consents import HELD_EXAMPLES, is_held
from storage.counted import Counted
from storage.database import Database
from storage.errors import Stale
from storage.example_queries import CURRENT, ONE, PICKED
from storage.example_records import (
    DECISIONS,
    KIND_OF_NEW,
    LIVE,
    PROVENANCES,
    STATE_OF,
    Message,
    from_row,
    kinds_of,
)
from storage.example_records import Example as Example
from storage.example_records import NewExample as NewExample
from storage.example_writes import (
    appended,
    begun,
    current_of,
    last_proposal,
    origin_of,
    proposed_again,
)
from storage.known import Known
from storage.records import inside, one_of
from storage.tags import put_on, tags_of
from storage.transaction import Row, Transaction
from storage.votes import VoteStore

Reading = Callable[[str, Sequence[Any]], list[Row]]
MOST_KNOWN = 100_000
"""Characters of an example that is kept in memory after it was read."""


class ExampleStore:
    """Reads examples and appends proposals and decisions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.votes = VoteStore(db)
        self._counted = Counted(db)
        self._read: Known[str, Example] = Known(db, "examples", "example_events")
        self._allowed: Known[str, datetime] = Known(db, "consents", "erasures")

    def propose(
        self,
        *,
        provenance: str,
        turn_id: str,
        conversation_id: str,
        prompt: Sequence[Message],
        completion: str,
        answer: str | None,
        version: str | None,
        reasons: Sequence[str] = (),
        comment: str = "",
        by: str,
        tx: Transaction | None = None,
    ) -> Example:
        """The pending example of a turn, of which there is one: a second proposal becomes an event of the first.

        A decided example is pending again only for another text (or after it was withdrawn). A thumb or a preference
        never replaces the text of a correction."""
        one_of("provenance", provenance, PROVENANCES)

        def job(t: Transaction) -> Example:
            row = t.row(CURRENT.format("x.turn_id = ?"), [turn_id])
            if row is not None:
                return proposed_again(t, from_row(row), provenance, completion, list(reasons), comment)
            origin = origin_of(prompt, completion, None)
            origin |= {"turn_id": turn_id, "conversation_id": conversation_id, "answer": answer}
            origin |= {"version": version, "source": "chat"}
            return begun(t, origin, "proposed", provenance, completion, list(reasons), comment)

        return inside(self._db, tx, by, job)

    def add_many(self, rows: Sequence[NewExample], *, by: str, tx: Transaction | None = None) -> tuple[list[str], int]:
        """Ids of those added, and how many were left out as exact duplicates (prompt, completion and split)."""
        for new in rows:
            one_of("provenance", new.provenance, PROVENANCES)
            one_of("state", new.state, tuple(KIND_OF_NEW))

        def job(t: Transaction) -> tuple[list[str], int]:
            origins = [origin_of(new.prompt, new.completion, new.split) for new in rows]
            hashes = [origin["content_hash"] for origin in origins]
            known = {
                row["content_hash"]
                for row in t.rows(
                    "SELECT content_hash FROM examples WHERE content_hash IN (SELECT unnest(?::VARCHAR[]))", [hashes]
                )
            }
            added: list[str] = []
            for new, origin in zip(rows, origins, strict=True):
                if origin["content_hash"] in known:
                    continue
                known.add(origin["content_hash"])
                origin |= {"answer": new.answer, "source": new.source}
                kind = KIND_OF_NEW[new.state]
                made = begun(t, origin, kind, new.provenance, new.completion, list(new.reasons), new.comment)
                put_on(t, made.id, new.tags)
                added.append(made.id)
            return added, len(rows) - len(added)

        return inside(self._db, tx, by, job)

    def decide(
        self,
        example_id: str,
        kind: str,
        *,
        completion: str | None = None,
        reason: str | None = None,
        seconds: float | None = None,
        expected_event: str | None,
        by: str,
        tx: Transaction | None = None,
    ) -> Example:
        """Append a decision. Raises Missing, and Stale when another event came after `expected_event`.

        Approving another text makes the example `edited`; reopening brings back the text last proposed. The same
        decision again changes nothing. `seconds`: how long it took, where that is known.
        """
        one_of("decision", kind, DECISIONS)

        def job(t: Transaction) -> Example:
            now = self._now(t, example_id, expected_event)
            if kind not in ("withdrawn", "quarantined"):
                self._refuse_held(t, now)
            text = now.completion if completion is None else completion
            if now.state == STATE_OF[kind] and text == now.completion and reason == now.reason:
                return now
            if kind == "reopened":
                text, provenance = last_proposal(t, now)
            else:
                provenance = now.provenance if text == now.completion else "edited"
            return appended(t, now, kind, provenance, text, now.reasons, now.comment, reason, seconds)

        return inside(self._db, tx, by, job)

    def redact(
        self,
        example_id: str,
        prompt: Sequence[Message],
        completion: str,
        *,
        provenance: str,
        expected_event: str | None,
        by: str,
    ) -> Example:
        """Put other texts in the place of those with personal data: the example waits again, an approved one stays so.

        Raises Missing, and Stale when another event came after `expected_event`. What it came with stays in the
        records before.
        """

        def job(t: Transaction) -> Example:
            now = self._now(t, example_id, expected_event)
            self._refuse_held(t, now)
            new = replace(now, prompt=list(prompt), redacted=now.redacted or list(prompt) != now.prompt)
            kind = "approved" if now.state == "approved" else "redacted"
            return appended(t, new, kind, provenance, completion, now.reasons, now.comment, None)

        return inside(self._db, None, by, job)

    def get(self, id: str) -> Example | None:
        if (known := self._read.get(id)) is not None:
            return known
        stamp = self._read.stamp()
        row = self._db.row(ONE, [id])
        if row is None:
            return None
        found = from_row(row)
        if len(row["prompt"]) + len(found.completion) + len(found.answer or "") <= MOST_KNOWN:
            self._read.put(id, stamp, found)
        return found

    def named(self, ids: Sequence[str]) -> dict[str, Example]:
        """Those of these ids that are there."""
        rows = self._db.rows(CURRENT.format("x.id IN (SELECT unnest(?::VARCHAR[]))"), [[*ids]])
        return {row["id"]: from_row(row) for row in rows}

    def tags(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Example → its tags in order; those without any are left out."""
        return tags_of(self._db.rows, ids)

    def held(self, ids: Sequence[str]) -> set[str]:
        """Those whose author does not allow learning from them now."""
        return {row["id"] for row in self._db.rows(f"{HELD_EXAMPLES} AND list_contains(?::VARCHAR[], x.id)", [[*ids]])}

    def is_held(self, example: Example) -> bool:
        """Whether its author does not allow learning from it now."""
        return self._is_held(self._db.rows, example)

    def inbox(self, limit: int = 50, after: str | None = None) -> list[Example]:
        """Pending: corrections before mere thumbs, each newest first. `after` is the last id of the page before."""
        rows = self._db.rows(
            PICKED.format(
                """WHERE $2::VARCHAR IS NULL
                    OR (first, example_id) < ((SELECT first FROM placed WHERE example_id = $2), $2)
                ORDER BY first DESC, example_id DESC LIMIT $3""",
                "first DESC, x.id DESC",
            ),
            [kinds_of("pending"), after, limit],
        )
        return [from_row(row) for row in rows]

    def listing(self, state: str | None = None, limit: int = 50, offset: int = 0) -> list[Example]:
        """Newest first, of one state or of all."""
        picked = PICKED.format("ORDER BY example_id DESC LIMIT $2 OFFSET $3", "x.id DESC")
        return [from_row(row) for row in self._db.rows(picked, [kinds_of(state), limit, offset])]

    def approved(self) -> list[Example]:
        """All of them, oldest first."""
        return [from_row(row) for row in self._db.rows(PICKED.format("", "x.id"), [kinds_of("approved")])]

    def counts(self) -> dict[str, int]:
        """State → number, every state present."""
        return dict(self._counted.now().states)

    def fresh(self) -> int:
        """How many approved ones could be learnt from and are in no dataset version, nor refused by the newest."""
        return self._counted.now().fresh

    def for_turns(self, turn_ids: Sequence[str]) -> dict[str, Example]:
        """Turn → its example, where it has one."""
        if not turn_ids:
            return {}
        rows = self._db.rows(CURRENT.format("x.turn_id IN (SELECT unnest(?::VARCHAR[]))"), [list(turn_ids)])
        return {row["turn_id"]: from_row(row) for row in rows}

    def for_author(self, turn_ids: Sequence[str]) -> dict[str, Example]:
        """As `for_turns`; undecided and approved ones that nothing may learn from now are in the state `held`."""
        found = self.for_turns(turn_ids)
        held = self.held([example.id for example in found.values()])
        return {turn: replace(x, state="held") if x.id in held and x.state in LIVE else x for turn, x in found.items()}

    def _now(self, tx: Transaction, id: str, expected_event: str | None) -> Example:
        known = self._read.get(id, tx)
        return known if known and expected_event == known.event_id else current_of(tx, id, expected_event)

    def _refuse_held(self, tx: Transaction, now: Example) -> None:
        """Raises Stale where nothing may learn from it."""
        if self._is_held(tx.rows, now, tx):
            raise Stale("The author of this example does not allow learning from it. Leave it.")

    def _is_held(
        self, read: Callable[[str, Sequence[Any]], list[Row]], example: Example, tx: Transaction | None = None
    ) -> bool:
        if example.conversation_id is None or self._allowed.get(example.id, tx) == example.created:
            return False
        stamp = self._allowed.stamp()
        held = is_held(read, example.conversation_id, example.created)
        if not held and (tx is None or not (tx.changed("consents") or tx.changed("erasures"))):
            self._allowed.put(example.id, stamp, example.created)
        return held
