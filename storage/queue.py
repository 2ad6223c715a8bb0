"""What the inbox is sorted and searched by: the narrow facts of each example, and which of them changed since.

The ledger is the feed of changes: it names every row that was appended, in order. What is decided often (events, tags,
votes) is read apart from what is costly and seldom changes (turns, thumbs, consent). Knows nothing of orders, filters
or who may read what.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.consents import HELD_EXAMPLES
from storage.database import Database
from storage.datasets import FROZEN_ROWS
from storage.example_records import STATE_OF
from storage.transaction import Row
from storage.votes import SKIPPED, latest, standing

QUESTION = 300
"""Characters of the last question that are kept."""
MOST_CHANGES = 2000
"""Beyond so many new rows everything is read anew, which costs less than following each."""

_GIVEN = "($1::VARCHAR[] IS NULL OR {} IN (SELECT unnest($1::VARCHAR[])))"
_RECORDS = f"""WITH latest AS (SELECT example_id, arg_max({{'id': id, 'kind': kind, 'provenance': provenance,
            'reasons': reasons, 'prompt': prompt, 'at': created, 'by': created_by, 'seconds': seconds}}, id) AS e,
            list(DISTINCT created_by) FILTER (kind IN ('approved', 'rejected', 'skipped')) AS deciders
        FROM example_events WHERE {_GIVEN.format("example_id")} GROUP BY example_id),
    tagged AS (SELECT example_id, list(tag ORDER BY tag) AS tags FROM (
            SELECT example_id, tag, arg_max(kind, id) AS kind FROM example_tags
            WHERE {_GIVEN.format("example_id")} GROUP BY example_id, tag)
        WHERE kind = 'added' GROUP BY example_id),
    voted AS (SELECT example_id, list({{'event_id': event_id, 'created_by': created_by, 'decision': decision,
            'completion': completion, 'reason': reason, 'created': created}} ORDER BY id) AS votes
        FROM votes WHERE {_GIVEN.format("example_id")} GROUP BY example_id)
    SELECT x.id, x.turn_id, x.version, x.created, x.created_by, l.deciders,
        e.id AS event_id, e.kind, e.provenance, e.reasons, e.at, e.by, e.seconds,
        left(coalesce(json_extract_string(coalesce(e.prompt, x.prompt), '$[#-1].content'), ''), {QUESTION}) AS question,
        coalesce(tagged.tags, []) AS tags, coalesce(voted.votes, []) AS votes
    FROM examples x JOIN latest l ON l.example_id = x.id LEFT JOIN tagged ON tagged.example_id = x.id
        LEFT JOIN voted ON voted.example_id = x.id
    WHERE {_GIVEN.format("x.id")} ORDER BY x.id"""
_ORIGINS = f"""WITH mine AS (SELECT id, turn_id FROM examples WHERE {_GIVEN.format("id")}),
    asked AS (SELECT t.id, t.parent_id, json_extract_string(t.details, '$.mean_logprob')::DOUBLE AS logprob
        FROM turns t WHERE t.id IN (SELECT turn_id FROM mine)),
    answers AS (SELECT parent_id, count(DISTINCT content) AS n FROM turns
        WHERE role = 'assistant' AND state = 'complete' AND version IS NOT NULL
            AND parent_id IN (SELECT parent_id FROM asked) GROUP BY parent_id),
    rated AS (SELECT turn_id, arg_max_null(rating, id) AS rating FROM feedback
        WHERE turn_id IN (SELECT turn_id FROM mine) GROUP BY turn_id)
    SELECT mine.id, asked.parent_id, asked.logprob, coalesce(answers.n, 1) AS answers, rated.rating,
        mine.id IN ({HELD_EXAMPLES}) AS held
    FROM mine LEFT JOIN asked ON asked.id = mine.turn_id LEFT JOIN answers ON answers.parent_id = asked.parent_id
        LEFT JOIN rated ON rated.turn_id = mine.turn_id"""

_NAMED = "id IN (SELECT unnest($1::VARCHAR[]))"
_RECORD_OF = {
    "examples": f"SELECT id FROM examples WHERE {_NAMED}",
    "example_events": f"SELECT example_id AS id FROM example_events WHERE {_NAMED}",
    "example_tags": f"SELECT example_id AS id FROM example_tags WHERE {_NAMED}",
    "votes": f"SELECT example_id AS id FROM votes WHERE {_NAMED}",
}
"""Table of a changed row → the examples whose record it changes."""
_ORIGIN_OF = {
    "examples": _RECORD_OF["examples"],
    "feedback": f"SELECT id FROM examples WHERE turn_id IN (SELECT turn_id FROM feedback WHERE {_NAMED})",
    "consents": f"""SELECT x.id FROM examples x JOIN conversations c ON c.id = x.conversation_id WHERE
        c.id IN (SELECT conversation_id FROM consents WHERE {_NAMED})
        OR c.owner IN (SELECT person FROM consents WHERE {_NAMED} AND conversation_id IS NULL)""",
}
"""Table of a changed row → the examples whose origin it changes; turns are told by the question they answer."""
_ANSWERED = f"SELECT DISTINCT parent_id AS id FROM turns WHERE {_NAMED} AND role = 'assistant'"
_TEXTS = """SELECT x.id FROM examples x JOIN example_events e ON e.example_id = x.id
    WHERE contains(lower(coalesce(e.prompt, x.prompt)), $1) OR contains(lower(e.completion), $1)
        OR contains(lower(e.comment), $1) OR contains(lower(x.answer), $1)"""


_WORK = """SELECT id, kind, created, seconds FROM example_events
        WHERE created_by = $1 AND kind IN ('approved', 'rejected', 'skipped')
    UNION ALL SELECT id, decision AS kind, created, seconds FROM votes v
        WHERE created_by = $1 AND decision IN ('approved', 'rejected', 'skipped') AND NOT EXISTS
        (SELECT 1 FROM example_events e WHERE e.example_id = v.example_id AND e.created_by = $1 AND e.kind = v.decision)
    ORDER BY id DESC"""
_FROZEN = f"""SELECT number, count(*) AS n FROM {FROZEN_ROWS} WHERE example_id IN
        (SELECT example_id FROM example_events WHERE kind = 'approved' GROUP BY example_id
            HAVING arg_max(created_by, id) = $1)
    GROUP BY number ORDER BY number DESC"""
TIMED = 100
"""Decisions whose times are told, the newest."""


@dataclass(frozen=True)
class Work:
    """What somebody has decided."""

    today: int
    approved: int
    rejected: int
    seconds: list[float]
    """Of the newest decisions that were timed, newest first."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What a reviewer said of an item that goes to two."""

    by: str
    decision: str
    completion: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """An example as it stands, without its texts."""

    id: str
    turn_id: str | None
    version: str | None
    created: datetime
    created_by: str
    question: str
    """The last message of the prompt, cut."""
    state: str
    provenance: str
    reasons: tuple[str, ...]
    event_id: str
    decided_at: datetime | None
    decided_by: str | None
    seconds: float | None
    """How long the decision took."""
    deciders: tuple[str, ...]
    """Everybody who ever approved, rejected or skipped it."""
    tags: tuple[str, ...]
    votes: tuple[Vote, ...]
    """Those on the text as it stands."""
    skips: tuple[tuple[str, datetime], ...] = ()
    """Who has put it off, as it stands, and when."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the answer that an example came from."""

    question_id: str | None = None
    """The turn that was answered."""
    logprob: float | None = None
    """Mean log-probability of the answer's tokens."""
    answers: int = 1
    """Different answers that the question got."""
    rating: str | None = None
    held: bool = False
    """Nothing may learn from it now."""


@dataclass(frozen=True)
class Changes:
    """What to read again."""

    seq: int
    """Up to here."""
    everything: bool = False
    records: set[str] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)
    questions: set[str] = field(default_factory=set)
    """Turns that got another answer."""


class QueueStore:
    """Reads facts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def seq(self) -> int:
        """The number of the newest change, at no cost."""
        return self._db.head.seq

    def records(self, ids: Sequence[str] | None = None) -> list[Record]:
        """Of these examples, or of all, oldest first."""
        return [_record(row) for row in self._db.rows(_RECORDS, [None if ids is None else [*ids]])]

    def origins(self, ids: Sequence[str] | None = None) -> dict[str, Origin]:
        """Example → where it came from, of these or of all."""
        rows = self._db.rows(_ORIGINS, [None if ids is None else [*ids]])
        return {
            row["id"]: Origin(row["parent_id"], row["logprob"], row["answers"], row["rating"], row["held"])
            for row in rows
        }

    def changes(self, since: int) -> Changes:
        """What the rows appended after `since` concern."""
        rows = self._db.rows(
            "SELECT seq, table_name, row_id FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", [since, MOST_CHANGES]
        )
        if len(rows) == MOST_CHANGES or any(row["table_name"] == "erasures" for row in rows):
            return Changes(self.seq(), everything=True)
        of_table: dict[str, list[str]] = {}
        for row in rows:
            of_table.setdefault(row["table_name"], []).append(row["row_id"])
        questions = self._ids({"turns": _ANSWERED}, of_table)
        seq = rows[-1]["seq"] if rows else since
        return Changes(seq, False, self._ids(_RECORD_OF, of_table), self._ids(_ORIGIN_OF, of_table), questions)

    def having(self, text: str) -> set[str]:
        """Ids of the examples that hold a text in prompt, answer, any proposal or comment, whatever its case."""
        return {row["id"] for row in self._db.rows(_TEXTS, [text.lower()])}

    def work_of(self, person: str, since: datetime) -> Work:
        """What somebody has decided, votes included."""
        rows = self._db.rows(_WORK, [person])
        seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
        kinds = Counter(row["kind"] for row in rows)
        today = sum(row["created"] >= since for row in rows)
        return Work(today, kinds["approved"], kinds["rejected"], seconds[:TIMED])

    def frozen_of(self, person: str) -> list[tuple[int, int]]:
        """(number of a dataset version, its rows that this person approved), newest first."""
        rows = self._db.rows(_FROZEN, [person])
        return [(row["number"], row["n"]) for row in rows]

    def _ids(self, queries: dict[str, str], of_table: dict[str, list[str]]) -> set[str]:
        named = [(sql, of_table[table]) for table, sql in queries.items() if table in of_table]
        return {row["id"] for sql, ids in named for row in self._db.rows(sql, [ids])}


def _record(row: Row) -> Record:
    decided = row["kind"] != "proposed"
    return Record(
        row["id"], row["turn_id"], row["version"], row["created"], row["created_by"], row["question"],
        STATE_OF[row["kind"]], row["provenance"], tuple(json.loads(row["reasons"])), row["event_id"],
        row["at"] if decided else None, row["by"] if decided else None, row["seconds"], tuple(row["deciders"] or ()),
        tuple(row["tags"]), _votes(row), _skips(row),
    )  # fmt: skip


def _votes(row: Row) -> tuple[Vote, ...]:
    votes = standing([vote for vote in row["votes"] if vote["event_id"] == row["event_id"]])
    return tuple(Vote(vote["created_by"], vote["decision"], vote["completion"], vote["reason"]) for vote in votes)


def _skips(row: Row) -> tuple[tuple[str, datetime], ...]:
    words = latest([vote for vote in row["votes"] if vote["event_id"] == row["event_id"]])
    return tuple((vote["created_by"], vote["created"]) for vote in words if vote["decision"] == SKIPPED)
