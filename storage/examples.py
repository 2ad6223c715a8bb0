"""Examples: a prompt and the completion somebody wants, from proposal to decision.

The origin never changes; everything after is an event with the whole text, and the latest is what it is now. Where the
author does not allow learning, an example is in no list, count or decision. Knows nothing of who may decide.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from storage.consents import HELD_EXAMPLES
from storage.database import Database
from storage.errors import Missing, Stale
from storage.example_queries import CURRENT, PICKED
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
from storage.ids import new_id
from storage.records import inside, one_of, stamped
from storage.rows import as_json
from storage.transaction import Row, Transaction


class ExampleStore:
    """Reads examples and appends proposals and decisions."""

    def __init__(self, db: Database) -> None:
        self._db = db

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

        A decided example is pending again only for another text (or after it was withdrawn). A mere thumb never
        replaces the text of a correction.
        """
        one_of("provenance", provenance, PROVENANCES)

        def job(t: Transaction) -> Example:
            row = t.row(CURRENT.format("x.turn_id = ?"), [turn_id])
            if row is not None:
                return _proposed_again(t, from_row(row), provenance, completion, list(reasons), comment)
            origin = _origin(prompt, completion, None)
            origin |= {"turn_id": turn_id, "conversation_id": conversation_id, "answer": answer}
            origin |= {"version": version, "source": "chat"}
            return _begun(t, origin, "proposed", provenance, completion, list(reasons), comment)

        return inside(self._db, tx, by, job)

    def add_many(self, rows: Sequence[NewExample], *, by: str, tx: Transaction | None = None) -> tuple[list[str], int]:
        """Ids of those added, and how many were left out as exact duplicates (prompt, completion and split)."""
        for new in rows:
            one_of("provenance", new.provenance, PROVENANCES)
            one_of("state", new.state, tuple(KIND_OF_NEW))

        def job(t: Transaction) -> tuple[list[str], int]:
            origins = [_origin(new.prompt, new.completion, new.split) for new in rows]
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
                made = _begun(t, origin, kind, new.provenance, new.completion, list(new.reasons), new.comment)
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
        expected_event: str | None,
        by: str,
        tx: Transaction | None = None,
    ) -> Example:
        """Append a decision. Raises Missing, and Stale when another event came after `expected_event`.

        Approving another text makes the example `edited`; reopening brings back the text last proposed. The same
        decision again changes nothing.
        """
        one_of("decision", kind, DECISIONS)

        def job(t: Transaction) -> Example:
            now = _current(t, example_id, expected_event)
            if kind != "withdrawn":
                _refuse_held(t, example_id)
            text = now.completion if completion is None else completion
            if now.state == STATE_OF[kind] and text == now.completion and reason == now.reason:
                return now
            if kind == "reopened":
                text, provenance = _last_proposal(t, now)
            else:
                provenance = now.provenance if text == now.completion else "edited"
            return _event(t, now, kind, provenance, text, now.reasons, now.comment, reason)

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
            now = _current(t, example_id, expected_event)
            _refuse_held(t, example_id)
            new = replace(now, prompt=list(prompt), redacted=now.redacted or list(prompt) != now.prompt)
            kind = "approved" if now.state == "approved" else "redacted"
            return _event(t, new, kind, provenance, completion, now.reasons, now.comment, None)

        return inside(self._db, None, by, job)

    def get(self, id: str) -> Example | None:
        found = self._db.row(CURRENT.format("x.id = ?"), [id])
        return from_row(found) if found else None

    def held(self, ids: Sequence[str]) -> set[str]:
        """Those whose author does not allow learning from them now."""
        return {row["id"] for row in self._db.rows(f"{HELD_EXAMPLES} AND list_contains(?::VARCHAR[], x.id)", [[*ids]])}

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

    def skipped(self, limit: int = 50) -> list[Example]:
        """Put off by a reviewer, newest first."""
        return self.listing("skipped", limit)

    def listing(self, state: str | None = None, limit: int = 50, offset: int = 0) -> list[Example]:
        """Newest first, of one state or of all."""
        picked = PICKED.format("ORDER BY example_id DESC LIMIT $2 OFFSET $3", "x.id DESC")
        return [from_row(row) for row in self._db.rows(picked, [kinds_of(state), limit, offset])]

    def approved(self) -> list[Example]:
        """All of them, oldest first."""
        return [from_row(row) for row in self._db.rows(PICKED.format("", "x.id"), [kinds_of("approved")])]

    def counts(self) -> dict[str, int]:
        """State → number, every state present."""
        rows = self._db.rows(
            "SELECT kind, count(*) AS n FROM (SELECT arg_max(kind, id) AS kind FROM example_events"
            f" WHERE example_id NOT IN ({HELD_EXAMPLES}) GROUP BY example_id) GROUP BY kind"
        )
        counts = dict.fromkeys(STATE_OF.values(), 0)
        for row in rows:
            counts[STATE_OF[row["kind"]]] += row["n"]
        return counts

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


def _current(tx: Transaction, example_id: str, expected_event: str | None) -> Example:
    row = tx.row(CURRENT.format("x.id = ?"), [example_id])
    if row is None:
        raise Missing(f"There is no example `{example_id}`. Load the page again.")
    now = from_row(row)
    if expected_event is not None and expected_event != now.event_id:
        raise Stale(f"This example became {now.state} meanwhile. Load the page again.")
    return now


def _refuse_held(tx: Transaction, id: str) -> None:
    if tx.rows(f"SELECT 1 FROM ({HELD_EXAMPLES}) WHERE id = ?", [id]):
        raise Stale("The author of this example does not allow learning from it. Leave it.")


def _origin(prompt: Sequence[Message], completion: str, split: str | None) -> Row:
    content = as_json("prompt", [list(prompt), completion, split])
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"prompt": list(prompt), "split": split, "content_hash": digest}


def _begun(
    tx: Transaction, origin: Row, kind: str, provenance: str, completion: str, reasons: list[str], comment: str
) -> Example:
    now = datetime.now(UTC)
    row = {"id": new_id(), "turn_id": None, "conversation_id": None, "version": None, **origin}
    tx.append("examples", stamped(row, tx.by, now))
    blank = Example(
        id=row["id"], provenance=provenance, turn_id=row["turn_id"], conversation_id=row["conversation_id"],
        prompt=row["prompt"], completion=completion, answer=row["answer"], version=row["version"],
        split=row["split"], source=row["source"], reasons=reasons, comment=comment, created=now, created_by=tx.by,
        state="", reason=None, decided_by=None, decided_at=None, event_id="",
    )  # fmt: skip
    return _event(tx, blank, kind, provenance, completion, reasons, comment, None)


def _proposed_again(
    tx: Transaction, now: Example, provenance: str, completion: str, reasons: list[str], comment: str
) -> Example:
    if provenance == "thumb" and now.provenance != "thumb":
        # The person said better words before; pressing the thumb again must not throw them away.
        if now.state != "withdrawn":
            return now
        return _event(tx, now, "proposed", now.provenance, now.completion, reasons, comment, None)
    same = completion == now.completion
    said_more = now.state == "pending" and (provenance, reasons, comment) != (now.provenance, now.reasons, now.comment)
    if same and not said_more and now.state != "withdrawn":
        return now
    return _event(tx, now, "proposed", provenance, completion, reasons, comment, None)


def _event(
    tx: Transaction,
    now: Example,
    kind: str,
    provenance: str,
    completion: str,
    reasons: list[str],
    comment: str,
    reason: str | None,
) -> Example:
    """Append what the example is from now on, and tell it."""
    at = datetime.now(UTC)
    row: Row = {"id": new_id(), "example_id": now.id, "kind": kind, "provenance": provenance, "completion": completion}
    row |= {"reasons": reasons, "comment": comment, "reason": reason, "prompt": now.prompt if now.redacted else None}
    tx.append("example_events", stamped(row, tx.by, at))
    decided = kind != "proposed"
    return replace(
        now, provenance=provenance, completion=completion, reasons=reasons, comment=comment, state=STATE_OF[kind],
        reason=reason, decided_by=tx.by if decided else None, decided_at=at if decided else None,
        event_id=str(row["id"]),
    )  # fmt: skip


def _last_proposal(tx: Transaction, now: Example) -> tuple[str, str]:
    """Text and provenance before anybody decided; of an import that came decided, those it came with."""
    found = tx.rows(
        "SELECT completion, provenance FROM example_events WHERE example_id = ?"
        " ORDER BY kind IN ('proposed', 'redacted') DESC,"
        " CASE WHEN kind IN ('proposed', 'redacted') THEN id END DESC, id LIMIT 1",
        [now.id],
    )
    return found[0]["completion"], found[0]["provenance"]
