"""The inbox in memory: every example's narrow facts, kept up with the store, ordered, filtered and compared.

One process owns the home, so what is read here stays true: each look first reads what the ledger has gained since the
last. Texts stay in the store. Knows nothing of roles, leases or pages.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest, nsmallest
from operator import attrgetter
from typing import Any, TypeVar, cast

from flywheel.queue_entries import Entry, Filters, matcher
from storage.queue import Origin, QueueStore, Record

COMMON = 0.2
"""A word or pair that more of all questions have does not make two of them similar."""
T = TypeVar("T")
ORDERS = ("value", "newest", "oldest")


@dataclass(frozen=True)
class Found:
    """A page of entries in order."""

    entries: list[Entry]
    total: int
    """That match, on all pages."""
    more: bool
    """Others come after these."""


class Queue:
    """Finds entries. Every public method first catches up with the store."""

    def __init__(self, store: QueueStore) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._seq = -1
        self._entries: dict[str, Entry] = {}
        self._of_state: dict[str, dict[str, Entry]] = {}
        self._of_question: dict[str, set[str]] = {}
        # By feature: who has it, and how many approved examples do.
        self._holders: dict[int, list[str]] = {}
        self._approved: Counter[int] = Counter()
        self._told: dict[Callable[..., Any], tuple[int | None, Any]] = {}

    def find(
        self,
        filters: Filters,
        order: str = "value",
        *,
        after: str | None = None,
        limit: int = 50,
        keep: Callable[[Entry], bool] = lambda entry: True,
    ) -> Found:
        """A page. `after`: where the page before ended, as `place` gives it; `keep`: what else is left out."""
        texts = self._store.having(filters.text) if filters.text.strip() else None
        wanted = matcher(filters, texts)
        with self._lock:
            self._catch_up()
            some = self._entries if filters.state == "all" else self._of_state.get(filters.state, {})
            matching = [
                entry
                for entry in some.values()
                if not entry.origin.held and keep(entry) and (wanted is None or wanted(entry))
            ]
        if order == "oldest":
            rest = [entry for entry in matching if after is None or entry.id > after]
            page = nsmallest(limit, rest, key=attrgetter("id"))
        elif order == "newest":
            rest = [entry for entry in matching if after is None or entry.id < after]
            page = nlargest(limit, rest, key=attrgetter("id"))
        else:
            last = _place(after)
            rest = [entry for entry in matching if last is None or (entry.worth, entry.id) < last]
            page = nlargest(limit, rest, key=attrgetter("worth", "id"))
        return Found(page, len(matching), len(rest) > len(page))

    def get(self, id: str) -> Entry | None:
        with self._lock:
            self._catch_up()
            return self._entries.get(id)

    def all(self) -> list[Entry]:
        """Everything that may be learnt from, oldest first."""
        with self._lock:
            self._catch_up()
            return [entry for entry in self._entries.values() if not entry.origin.held]

    def told(self, of: Callable[[Sequence[Entry]], T]) -> T:
        """`of` everything that may be learnt from; worked out again when something has changed."""
        with self._lock:
            self._catch_up()
            seq, known = self._told.get(of, (None, None))
            if seq != self._seq:
                known = of(self.all())
                self._told[of] = (self._seq, known)
            return cast(T, known)

    def deciders(self) -> dict[str, datetime]:
        """Everybody whose decision stands, and when they made the last of these."""
        found: dict[str, datetime] = {}
        for record in (entry.record for entry in self.all()):
            if record.decided_by in record.deciders and record.decided_at and record.decided_by:
                found[record.decided_by] = max(record.decided_at, found.get(record.decided_by, record.decided_at))
        return found

    def similar(self, id: str, limit: int = 5, least: float = 0.5) -> list[tuple[Entry, float]]:
        """Other entries whose questions share the most words and pairs, with the share of all that either has."""
        with self._lock:
            self._catch_up()
            entry = self._entries.get(id)
            if entry is None:
                return []
            common = max(50, COMMON * len(self._entries))
            shared: Counter[str] = Counter()
            for feature in entry.features:
                holders = self._holders.get(feature, [])
                if len(holders) <= common:
                    shared.update(holders)
            close = []
            for other_id, _ in shared.most_common(20 * limit):
                other = self._entries.get(other_id)
                if other is None or other is entry or other.origin.held:
                    continue
                both = len(set(entry.features) & set(other.features))
                share = both / (len(entry.features) + len(other.features) - both)
                if share >= least:
                    close.append((other, share))
        return sorted(close, key=lambda found: (-found[1], found[0].id))[:limit]

    def _catch_up(self) -> None:
        now = self._store.seq()
        if now == self._seq:
            return
        if self._seq < 0:
            self._reload(now)
            return
        changes = self._store.changes(self._seq)
        if changes.everything:
            self._reload(now)
            return
        origins = changes.origins | {id for turn in changes.questions for id in self._of_question.get(turn, ())}
        # Without its origin a new example would be taken for one that nobody rated.
        origins |= changes.records - self._entries.keys()
        found = self._store.origins(sorted(origins)) if origins else {}
        for record in self._store.records(sorted(changes.records | origins)):
            known = self._entries.get(record.id)
            self._put(record, found.get(record.id) or (known.origin if known else Origin()))
        self._seq = changes.seq

    def _reload(self, seq: int) -> None:
        self._entries, self._of_state = {}, {}
        self._of_question, self._holders, self._approved = {}, {}, Counter()
        origins = self._store.origins()
        for record in self._store.records():
            self._put(record, origins.get(record.id, Origin()))
        self._seq = seq

    def _put(self, record: Record, origin: Origin) -> None:
        before = self._entries.get(record.id)
        if before is not None and before.record.question == record.question:
            entry = before
            was = before.record.state == "approved"
            self._of_state[before.record.state].pop(record.id, None)
            entry.put(record, origin)
        else:
            if before is not None:
                self._take_out(before)
            was = False
            entry = self._entries[record.id] = Entry(record, origin)
            entry.new = sum(feature not in self._approved for feature in entry.features)
            for feature in entry.features:
                self._holders.setdefault(feature, []).append(record.id)
        self._of_state.setdefault(record.state, {})[record.id] = entry
        if origin.question_id:
            self._of_question.setdefault(origin.question_id, set()).add(record.id)
        if was != (record.state == "approved"):
            self._learn(entry, -1 if was else 1)

    def _take_out(self, entry: Entry) -> None:
        self._of_state[entry.record.state].pop(entry.id, None)
        if entry.record.state == "approved":
            self._learn(entry, -1)
        for feature in entry.features:
            self._holders[feature].remove(entry.id)

    def _learn(self, entry: Entry, by: int) -> None:
        """An example became approved (1) or is so no more (-1): its words are new to others no more, or again."""
        for feature in entry.features:
            self._approved[feature] += by
            turned = self._approved[feature] == (1 if by > 0 else 0)
            if self._approved[feature] <= 0:
                del self._approved[feature]
            if turned:
                for id in self._holders[feature]:
                    self._entries[id].new -= by


def place(entry: Entry, order: str) -> str:
    """Where a page that ends with this entry ends."""
    return f"{entry.worth}.{entry.id}" if order == "value" else entry.id


def _place(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    worth, _, id = after.partition(".")
    return int(worth), id


def tallied(entries: Iterable[Entry], of: Callable[[Entry], Iterable[str]]) -> dict[str, int]:
    """Value → in how many entries, the most frequent first."""
    tally = Counter(value for entry in entries for value in of(entry))
    return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))
