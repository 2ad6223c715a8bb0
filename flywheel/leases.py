"""Who looks at which item now: an opened item is one reviewer's, until they go on or do nothing for ten minutes.

In memory, since one process owns the home: after a restart nobody holds anything, and a decision on an old state is
refused all the same. Knows nothing of what is held.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

IDLE_SECONDS = 600.0


@dataclass
class Lease:
    """One reviewer's hold on one item; times by the clock of the leases, in seconds."""

    person: str
    opened: float
    touched: float


class Leases:
    """At most one holder of an item, at most one item of a person."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of_item: dict[str, Lease] = {}

    def take(self, item: str, person: str) -> bool:
        """Hold an item, and give up the one held before; False where somebody else has it."""
        with self._lock:
            if self._other(item, person) is not None:
                return False
            for former in [other for other, held in self._of_item.items() if held.person == person and other != item]:
                del self._of_item[former]
            now = self._clock()
            lease = self._of_item.get(item)
            opened = lease.opened if lease is not None and self._lives(lease) else now
            self._of_item[item] = Lease(person, opened, now)
            return True

    def other(self, item: str, person: str) -> str | None:
        """Who else holds an item; None where nobody does. For its holder it is a sign of life."""
        with self._lock:
            other = self._other(item, person)
            if other is None and item in self._of_item:
                self._of_item[item].touched = self._clock()
            return None if other is None else other.person

    def held_by_others(self, person: str) -> set[str]:
        """Items that others hold now."""
        with self._lock:
            return {item for item in self._of_item if self._other(item, person) is not None}

    def seconds(self, item: str, person: str) -> float | None:
        """How long this person has had the item open; None where they do not hold it."""
        with self._lock:
            lease = self._of_item.get(item)
            if lease is None or lease.person != person or not self._lives(lease):
                return None
            return self._clock() - lease.opened

    def release(self, item: str, person: str) -> None:
        """Give an item up; nothing happens where it is not theirs."""
        with self._lock:
            lease = self._of_item.get(item)
            if lease is not None and lease.person == person:
                del self._of_item[item]

    def _other(self, item: str, person: str) -> Lease | None:
        lease = self._of_item.get(item)
        return lease if lease is not None and lease.person != person and self._lives(lease) else None

    def _lives(self, lease: Lease) -> bool:
        return self._clock() - lease.touched < IDLE_SECONDS
