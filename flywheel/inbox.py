"""The inbox as reviewers work on it: pages of the queue, one item opened and held, tags, and numbers.

Finds and shows; the decisions themselves are `Curation`'s. Knows nothing of pages or commands.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median

from flywheel.curation import Curation
from flywheel.errors import InvalidInput, NotFound
from flywheel.items import Item
from flywheel.leases import Leases
from flywheel.queue import ORDERS, Queue, place, tallied
from flywheel.queue_entries import Entry, Filters
from flywheel.roles import Principal, Role, require
from flywheel.second_eyes import Agreement, SecondEyes, Standing, standing
from flywheel.tags import clean_tag
from flywheel.words.catalogue import say
from storage.datasets import DatasetStore
from storage.examples import Example
from storage.queue import QueueStore
from storage.tags import TagStore
from storage.versions import VersionStore

PAGE = 50
"""Rows of a page, at most."""
PUT_OFF = timedelta(days=1)
"""So long an item that somebody skipped is not asked of them again."""
MOST_TEXT = 200
STATES = ("pending", "skipped", "approved", "rejected", "quarantined", "withdrawn", "all")


@dataclass(frozen=True)
class Listed:
    """One row of the queue."""

    id: str
    question: str
    provenance: str
    state: str
    tags: tuple[str, ...]
    standing: Standing
    """Of a waiting one: `one`, waits for its `second` reviewer, or `disputed`."""
    created: datetime


@dataclass(frozen=True)
class Page:
    """Some rows of the queue, in order."""

    entries: list[Listed]
    total: int
    """That match, on all pages."""
    after: str | None
    """Give it back for the next page; None on the last."""


@dataclass(frozen=True)
class Facets:
    """What there is to filter by: value → examples that have it, of those that wait (tags: of all)."""

    reasons: dict[str, int]
    versions: dict[str, int]
    provenances: dict[str, int]
    ratings: dict[str, int]
    tags: dict[str, int]


@dataclass(frozen=True)
class Numbers:
    """What a reviewer has done."""

    waiting: int
    """For this reviewer."""
    today: int
    """Decisions since midnight UTC."""
    approved: float | None
    """Share of all their approvals and rejections, 0 to 1; None before the first."""
    median_seconds: float | None
    """From opening an item to deciding it, over their last hundred timed decisions."""
    agreement: Agreement


@dataclass(frozen=True)
class Learned:
    """How much of what somebody approved is in a dataset version."""

    dataset: str
    rows: int
    versions: list[str]
    """Model versions that were trained on it."""


class Inbox:
    """Pages, items, tags and numbers."""

    def __init__(
        self,
        queue: Queue,
        store: QueueStore,
        curation: Curation,
        tags: TagStore,
        leases: Leases,
        eyes: SecondEyes,
        datasets: DatasetStore,
        versions: VersionStore,
    ) -> None:
        self._queue, self._store, self._curation, self._tags = queue, store, curation, tags
        self._leases, self._eyes, self._datasets, self._versions = leases, eyes, datasets, versions

    def page(
        self,
        who: Principal,
        filters: Filters | None = None,
        order: str = "value",
        after: str | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Rows in an order (`value`, `newest`, `oldest`), without what others have open or this person is not asked.

        Raises InvalidInput for an unknown order or state, and for a text or place that cannot be.
        """
        require(who, Role.REVIEWER)
        self._eyes.saw(who)
        filters = filters or Filters()
        _check(filters, order, after)
        held, hidden = self._leases.held_by_others(who.id), self._eyes.hidden_from(who)
        wanted = _wanted(filters.state, who)
        # What one reviewer put off waits for the others.
        searched = replace(filters, state="all") if filters.state == "skipped" else filters
        found = self._queue.find(
            searched, order, after=after, limit=min(limit, PAGE),
            keep=lambda e: e.id not in held and wanted(e) and not hidden(e),
        )  # fmt: skip
        last = place(found.entries[-1], order) if found.more else None
        return Page([_listed(entry) for entry in found.entries], found.total, last)

    def open(self, who: Principal, example_id: str) -> Item:
        """An item with all that a reviewer sees, held for them from now on. Where another reviewer holds it, it is
        shown with their name and cannot be decided. Raises NotFound."""
        require(who, Role.REVIEWER)
        self._eyes.saw(who)
        item = self._curation.item(who, example_id)
        waits = item.example.state in ("pending", "skipped")
        mine = self._leases.take(example_id, who.id) if waits else True
        return replace(self._told(item), held_by=None if mine else self._leases.other(example_id, who.id))

    def _told(self, item: Item) -> Item:
        """With what is known beside the text."""
        id = item.example.id
        entry = self._queue.get(id)
        if entry is None:
            raise NotFound(say("error.example.gone", example=id[:60]))
        return replace(
            item,
            tags=entry.record.tags,
            rating=entry.origin.rating,
            answers=entry.origin.answers,
            logprob=entry.origin.logprob,
            similar=[
                (other.id, other.record.question, other.record.state, share) for other, share in self._queue.similar(id)
            ],
            votes=entry.record.votes if standing(entry) == "disputed" else (),
        )

    def examples(
        self, who: Principal, filters: Filters, order: str = "value", limit: int = PAGE
    ) -> list[tuple[Example, tuple[str, ...]]]:
        """The first so many that a page would list, whole, with their tags."""
        rows: list[Listed] = []
        after = None
        while len(rows) < limit:
            page = self.page(who, filters, order, after, limit - len(rows))
            rows += page.entries
            if (after := page.after) is None:
                break
        known = self._curation.named([row.id for row in rows])
        return [(known[row.id], row.tags) for row in rows if row.id in known]

    def tagged(self, who: Principal, state: str, tag: str, limit: int = PAGE) -> list[Example]:
        """The newest examples of a state with a tag, whoever is at them."""
        require(who, Role.REVIEWER)
        found = [e.id for e in self._queue.find(Filters(state=state, tag=tag), "newest", limit=limit).entries]
        known = self._curation.named(found)
        return [known[id] for id in found if id in known]

    def approved_once(self, who: Principal, ids: Sequence[str]) -> list[str]:
        """Those of these that wait for another reviewer after this one has approved them."""
        require(who, Role.REVIEWER)
        found = [entry for id in ids if (entry := self._queue.get(id)) and entry.record.state == "pending"]
        return [e.id for e in found if any(v.by == who.id and v.decision == "approved" for v in e.record.votes)]

    def facets(self, who: Principal) -> Facets:
        """What the filters offer."""
        require(who, Role.REVIEWER)
        return self._queue.told(_facets)

    def tag(self, who: Principal, ids: Sequence[str], tag: str, on: bool = True) -> int:
        """Put a tag on examples, or take it off; returns how many changed. Raises InvalidInput, NotFound."""
        require(who, Role.REVIEWER)
        tag = clean_tag(tag)
        for id in ids:
            if self._queue.get(id) is None:
                raise NotFound(say("error.example.unknown", example=id[:60]))
        return self._tags.mark(list(dict.fromkeys(ids)), tag, "added" if on else "removed", by=who.id)

    def set_tags(self, who: Principal, example_id: str, tags: Sequence[str]) -> list[str]:
        """Make these the tags of one example; blank ones count for none. Returns them in order."""
        require(who, Role.REVIEWER)
        entry = self._queue.get(example_id)
        if entry is None:
            raise NotFound(say("error.example.gone", example=example_id[:60]))
        wanted = {clean_tag(tag) for tag in tags if tag.strip()}
        for tag in wanted - set(entry.record.tags):
            self._tags.mark([example_id], tag, by=who.id)
        for tag in set(entry.record.tags) - wanted:
            self._tags.mark([example_id], tag, "removed", by=who.id)
        return sorted(wanted)

    def tag_counts(self, who: Principal, state: str = "all") -> dict[str, int]:
        """Tag → examples of a state (or all) that have it, the most frequent first."""
        require(who, Role.REVIEWER)
        return tallied(
            (entry for entry in self._queue.all() if state in ("all", entry.record.state)), lambda e: e.record.tags
        )

    def numbers(self, who: Principal) -> Numbers:
        """What this reviewer has done, and what waits for them."""
        require(who, Role.REVIEWER)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        work = self._store.work_of(who.id, midnight)
        judged = work.approved + work.rejected
        return Numbers(
            waiting=self.page(who, order="oldest", limit=1).total,
            today=work.today,
            approved=work.approved / judged if judged else None,
            median_seconds=median(work.seconds) if work.seconds else None,
            agreement=self._eyes.agreement(),
        )

    def learned(self, who: Principal) -> list[Learned]:
        """How much of what this reviewer approved is in each dataset version, newest first, and what learnt from it."""
        require(who, Role.REVIEWER)
        rows = self._store.frozen_of(who.id)
        trained: dict[str, list[str]] = {}
        for version in self._versions.list():
            if version.dataset:
                trained.setdefault(version.dataset, []).append(version.id)
        return [Learned(f"d{number}", n, trained.get(f"d{number}", [])) for number, n in rows]


def _facets(every: Sequence[Entry]) -> Facets:
    waiting = [entry for entry in every if entry.record.state == "pending"]
    return Facets(
        tallied(waiting, lambda e: e.record.reasons),
        tallied(waiting, lambda e: [e.record.version] if e.record.version else []),
        tallied(waiting, lambda e: [e.record.provenance]),
        tallied(waiting, lambda e: [e.origin.rating or "none"]),
        tallied(every, lambda e: e.record.tags),
    )


def _check(filters: Filters, order: str, after: str | None) -> None:
    if order not in ORDERS:
        raise InvalidInput(say("error.review.no_order", order=order[:60], known=", ".join(ORDERS)))
    if filters.state not in STATES:
        raise InvalidInput(say("error.review.no_state", state=filters.state[:60], known=", ".join(STATES)))
    if len(filters.text) > MOST_TEXT:
        raise InvalidInput(say("error.review.long_search", count=len(filters.text), most=MOST_TEXT))
    if after is not None and order == "value" and not re.fullmatch(r"\d{1,9}\.\w+", after):
        raise InvalidInput(say("error.review.no_place", place=after[:60]))


def _wanted(state: str, who: Principal) -> Callable[[Entry], bool]:
    """Whether an entry is in a state as this person sees it: what they put off lately is skipped, and does not wait."""
    since = datetime.now(UTC) - PUT_OFF

    def put_off(entry: Entry) -> bool:
        skips = entry.record.skips
        return bool(skips) and any(person == who.id and at > since for person, at in skips)

    if state == "pending":
        return lambda entry: not put_off(entry)
    if state == "skipped":
        return lambda entry: entry.record.state == "skipped" or (entry.record.state == "pending" and put_off(entry))
    return lambda entry: True


def _listed(entry: Entry) -> Listed:
    record = entry.record
    return Listed(
        record.id, record.question, record.provenance, record.state, record.tags, standing(entry), record.created
    )
