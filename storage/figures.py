"""Sums over the tables for those who watch the app: how many turns, how fast, how many tokens.

One pass over the turns, in the engine; nothing is kept. Knows no format of figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Database
from storage.transaction import Row


@dataclass(frozen=True)
class Figures:
    """Of all answers that are stored."""

    turns: dict[tuple[str, str, str], int]
    """(version, state, source) → answers."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """All answers' times together."""
    timed: int
    """Answers whose time is known."""
    within: list[int]
    """For each bound given: how many took at most so long."""
    first_token_seconds: float
    first_token_timed: int
    runs: dict[str, int]
    """State → training runs."""


def figures(db: Database, bounds: Sequence[float]) -> Figures:
    """The figures as of now; `bounds` are seconds."""
    turns = db.rows(
        "SELECT version, state, source, count(*) AS n FROM turns WHERE role = 'assistant' AND version IS NOT NULL"
        " GROUP BY ALL ORDER BY ALL"
    )
    within = ", ".join(f"count(*) FILTER (total <= {1000 * float(bound)})" for bound in bounds)
    sums = db.row(
        f"""SELECT coalesce(sum(prompt), 0)::BIGINT AS prompt, coalesce(sum(written), 0)::BIGINT AS written,
            coalesce(sum(total), 0) / 1000 AS seconds, count(total) AS timed,
            coalesce(sum(first), 0) / 1000 AS first_seconds, count(first) AS first_timed, [{within}] AS within
        FROM (SELECT x[1]::BIGINT AS prompt, x[2]::BIGINT AS written, x[3]::DOUBLE AS total, x[4]::DOUBLE AS first
            FROM (SELECT json_extract_string(details, $1::VARCHAR[]) AS x
                FROM turns WHERE role = 'assistant' AND version IS NOT NULL))""",
        # All at once: each extraction by itself parses the text again.
        [[f"$.{name}" for name in ("prompt_tokens", "completion_tokens", "total_ms", "first_token_ms")]],
    )
    assert sums is not None
    runs = db.rows(
        "SELECT state, count(*) AS n FROM (SELECT arg_max(state, id) AS state FROM run_events GROUP BY number)"
        " GROUP BY state ORDER BY state"
    )
    return Figures(
        {(row["version"], row["state"], row["source"]): row["n"] for row in turns},
        sums["prompt"], sums["written"], sums["seconds"], sums["timed"], list(sums["within"]),
        sums["first_seconds"], sums["first_timed"], {row["state"]: row["n"] for row in runs},
    )  # fmt: skip


def used(db: Database, since: datetime, most: int) -> list[Row]:
    """Answers of models by whose conversation they are in: person, today (after `since`), answers, prompt_tokens,
    completion_tokens, last. Who had most after `since` first, at most `most` people."""
    return db.rows(
        """SELECT owner AS person, count(*) FILTER (created > $1) AS today, count(*) AS answers,
            coalesce(sum(x[1]::BIGINT), 0)::BIGINT AS prompt_tokens,
            coalesce(sum(x[2]::BIGINT), 0)::BIGINT AS completion_tokens, max(created) AS last
        FROM (SELECT c.owner, t.created, json_extract_string(t.details, ['$.prompt_tokens', '$.completion_tokens']) AS x
            FROM turns t JOIN conversations c ON c.id = t.conversation_id
            WHERE t.role = 'assistant' AND t.version IS NOT NULL)
        GROUP BY owner ORDER BY today DESC, answers DESC, person LIMIT $2""",
        [since, most],
    )
