"""How many examples are in each state, and how many are new: counted in the engine, and again only after a change.

Asked every few seconds by every open page. Knows nothing of what the numbers are for.
"""

from dataclasses import dataclass

from storage.consents import HELD_EXAMPLES
from storage.database import Database
from storage.datasets import FROZEN_ROWS
from storage.example_records import STATE_OF
from storage.known import Known

_COUNTS = f"""WITH latest AS (SELECT example_id, arg_max(kind, id) AS kind FROM example_events
        WHERE example_id NOT IN ({HELD_EXAMPLES}) GROUP BY example_id),
    placed AS (SELECT DISTINCT example_id FROM {FROZEN_ROWS}),
    refused AS (SELECT DISTINCT unnest(json_extract_string(refused, '$[*].example_id')) AS example_id
        FROM dataset_versions WHERE number = (SELECT max(number) FROM dataset_versions))
    SELECT kind, count(*) AS n,
        count(*) FILTER (coalesce(x.split, 'train') = 'train'
            AND p.example_id IS NULL AND r.example_id IS NULL) AS fresh
    FROM latest l JOIN examples x ON x.id = l.example_id LEFT JOIN placed p ON p.example_id = l.example_id
        LEFT JOIN refused r ON r.example_id = l.example_id GROUP BY kind"""
_TABLES = ("examples", "example_events", "consents", "erasures", "dataset_versions")


@dataclass(frozen=True)
class Counts:
    """As of the newest change."""

    states: dict[str, int]
    """State → examples, every state present; without those that nothing may learn from."""
    fresh: int
    """Approved ones for training that no dataset version holds and the newest did not refuse."""


class Counted:
    """Counts. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: Known[str, Counts] = Known(db, *_TABLES)

    def now(self) -> Counts:
        """The counts as they are."""
        if (known := self._known.get("")) is not None:
            return known
        stamp = self._known.stamp()
        states, fresh = dict.fromkeys(STATE_OF.values(), 0), 0
        for row in self._db.rows(_COUNTS):
            states[STATE_OF[row["kind"]]] += row["n"]
            fresh += row["fresh"] if STATE_OF[row["kind"]] == "approved" else 0
        found = Counts(states, fresh)
        self._known.put("", stamp, found)
        return found
