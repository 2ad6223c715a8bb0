"""How an example's rows are appended, inside of a transaction: its beginning, and each event with the whole text.

The counterpart of `example_queries`. Knows nothing of who may decide.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from storage.errors import Missing, Stale
from storage.example_queries import ONE
from storage.example_records import STATE_OF, WEIGHTS, Example, Message, from_row
from storage.ids import new_id
from storage.records import stamped
from storage.rows import as_json
from storage.transaction import Row, Transaction


def current_of(tx: Transaction, example_id: str, expected_event: str | None) -> Example:
    row = tx.row(ONE, [example_id])
    if row is None:
        raise Missing(f"There is no example `{example_id}`. Load the page again.")
    now = from_row(row)
    if expected_event is not None and expected_event != now.event_id:
        raise Stale(f"This example became {now.state} meanwhile. Load the page again.")
    return now


def origin_of(prompt: Sequence[Message], completion: str, split: str | None) -> Row:
    content = as_json("prompt", [list(prompt), completion, split])
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"prompt": list(prompt), "split": split, "content_hash": digest}


def begun(
    tx: Transaction, origin: Row, kind: str, provenance: str, completion: str, reasons: list[str], comment: str
) -> Example:
    """Append an example and its first event, and tell it."""
    now = datetime.now(UTC)
    row = {"id": new_id(), "turn_id": None, "conversation_id": None, "version": None, **origin}
    tx.append("examples", stamped(row, tx.by, now))
    said: Row = {"provenance": provenance, "completion": completion, "reasons": reasons, "comment": comment}
    event_id = _event(tx, row["id"], kind, said, now)
    decided = kind != "proposed"
    return Example(
        id=row["id"], provenance=provenance, turn_id=row["turn_id"], conversation_id=row["conversation_id"],
        prompt=row["prompt"], completion=completion, answer=row["answer"], version=row["version"],
        split=row["split"], source=row["source"], reasons=reasons, comment=comment, created=now, created_by=tx.by,
        state=STATE_OF[kind], reason=None, decided_by=tx.by if decided else None, decided_at=now if decided else None,
        event_id=event_id,
    )  # fmt: skip


def proposed_again(
    tx: Transaction, now: Example, provenance: str, completion: str, reasons: list[str], comment: str
) -> Example:
    if WEIGHTS.get(provenance, 2) < WEIGHTS.get(now.provenance, 2):
        # The person said better words before; a thumb or a choice must not throw them away.
        if now.state != "withdrawn":
            return now
        return appended(tx, now, "proposed", now.provenance, now.completion, reasons, comment, None)
    same = completion == now.completion
    said_more = now.state == "pending" and (provenance, reasons, comment) != (now.provenance, now.reasons, now.comment)
    if same and not said_more and now.state != "withdrawn":
        return now
    return appended(tx, now, "proposed", provenance, completion, reasons, comment, None)


def appended(
    tx: Transaction,
    now: Example,
    kind: str,
    provenance: str,
    completion: str,
    reasons: list[str],
    comment: str,
    reason: str | None,
    seconds: float | None = None,
) -> Example:
    """Append what the example is from now on, and tell it."""
    at = datetime.now(UTC)
    said: Row = {"provenance": provenance, "completion": completion, "reasons": reasons, "comment": comment}
    said |= {"reason": reason, "prompt": now.prompt if now.redacted else None, "seconds": seconds}
    event_id = _event(tx, now.id, kind, said, at)
    decided = kind != "proposed"
    return replace(
        now, provenance=provenance, completion=completion, reasons=reasons, comment=comment, state=STATE_OF[kind],
        reason=reason, decided_by=tx.by if decided else None, decided_at=at if decided else None,
        event_id=event_id,
    )  # fmt: skip


def _event(tx: Transaction, example_id: str, kind: str, said: Row, at: datetime) -> str:
    """Append an event; its id."""
    row: Row = {"id": new_id(), "example_id": example_id, "kind": kind, **said}
    tx.append("example_events", stamped(row, tx.by, at))
    return str(row["id"])


def last_proposal(tx: Transaction, now: Example) -> tuple[str, str]:
    """Text and provenance before anybody decided; of an import that came decided, those it came with."""
    found = tx.rows(
        "SELECT completion, provenance FROM example_events WHERE example_id = ?"
        " ORDER BY kind IN ('proposed', 'redacted') DESC,"
        " CASE WHEN kind IN ('proposed', 'redacted') THEN id END DESC, id LIMIT 1",
        [now.id],
    )
    return found[0]["completion"], found[0]["provenance"]
