"""One row of the queue: what it is worth to a reviewer, and whether it matches a filter. Pure.

Worth is read from records alone: what was found wrong and corrected comes first, then what the model was least sure of,
then what resembles least of what is approved.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from flywheel.neighbours import normalise
from storage.queue import Origin, Record

MOST_WORDS = 40
"""Words of a question that are compared."""


class Entry:
    """An example in the queue: its record, its origin, and how new its question is."""

    __slots__ = ("certain", "features", "id", "new", "origin", "record")

    def __init__(self, record: Record, origin: Origin) -> None:
        self.id = record.id
        self.features = features_of(record.question)
        self.new = len(self.features)
        """How many of its features no approved example has."""
        self.put(record, origin)

    def put(self, record: Record, origin: Origin) -> None:
        """What is known of it now; the question stays."""
        self.record, self.origin = record, origin
        corrected = origin.rating == "down" and record.provenance in ("correction", "edited")
        self.certain = (100 * corrected + doubt(origin)) * 1001
        """What of its value does not change with what others are approved."""

    @property
    def worth(self) -> int:
        """The greater, the sooner it is worth a look. Novelty, the share of its words and word pairs that no approved
        example has, counts in thousandths."""
        return self.certain + (1000 * self.new // len(self.features) if self.features else 0)


def doubt(origin: Origin) -> int:
    """How unsure the model was, 0 to 10: a tenth of the mean token's probability a step; 3 more where it gave another
    answer as well."""
    sure = 1.0 if origin.logprob is None else math.exp(min(0.0, origin.logprob))
    return min(10, round(10 * (1 - sure)) + 3 * (origin.answers > 1))


@dataclass(frozen=True)
class Filters:
    """What is listed; empty: everything of the state."""

    state: str = "pending"
    """A state of examples, or `all`."""
    reason: str = ""
    rating: str = ""
    version: str = ""
    tag: str = ""
    provenance: str = ""
    since: date | None = None
    until: date | None = None
    """Days in UTC, both included."""
    mine: str = ""
    """The person who wrote or decided it."""
    text: str = ""
    """Somewhere in prompt, answer, proposal or comment."""


def features_of(question: str) -> tuple[int, ...]:
    """Its words and pairs of words, each once, as numbers."""
    words = normalise(question).split()[:MOST_WORDS]
    pairs = (f"{one} {two}" for one, two in pairwise(words))
    return tuple({hash(feature) for feature in (*words, *pairs)})


def matcher(filters: Filters, texts: Collection[str] | None) -> Callable[[Entry], bool] | None:
    """The test of all filters but the state; None where there is none. `texts`: ids that hold the text."""
    since, until = _midnight(filters.since), _midnight(filters.until, 1)
    tests: list[Callable[[Entry], bool]] = []
    if filters.reason:
        tests.append(lambda e: filters.reason in e.record.reasons)
    if filters.rating:
        tests.append(lambda e: (e.origin.rating or "none") == filters.rating)
    if filters.version:
        tests.append(lambda e: e.record.version == filters.version)
    if filters.tag:
        tests.append(lambda e: filters.tag in e.record.tags)
    if filters.provenance:
        tests.append(lambda e: e.record.provenance == filters.provenance)
    if since:
        tests.append(lambda e: e.record.created >= since)
    if until:
        tests.append(lambda e: e.record.created < until)
    if filters.mine:
        tests.append(lambda e: filters.mine in (e.record.created_by, e.record.decided_by, *e.record.deciders))
    if texts is not None:
        tests.append(lambda e: e.id in texts)
    return (lambda entry: all(test(entry) for test in tests)) if tests else None


def _midnight(day: date | None, later: int = 0) -> datetime | None:
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=later)
