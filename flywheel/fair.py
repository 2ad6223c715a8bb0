"""Fair use: how many answers one guest, one signed-in person, one key and one network address get.

A limit holds for any 60 seconds and any 24 hours. The times of a person's answers are in memory, and taken from the
stored turns where they are not: so a restart forgets nobody's day. Those of an address are in memory alone, since an
address is never stored. Knows no requests and no pages.
"""

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from flywheel.errors import LimitReached
from flywheel.roles import Principal, Role
from flywheel.setting_values import Limit
from flywheel.settings import Settings
from flywheel.words.catalogue import say, say_count
from storage.conversations import ConversationStore

MINUTE, DAY = 60.0, 86_400.0
MOST_KNOWN = 5_000
"""People and addresses whose times are in memory; those who came longest ago are forgotten first."""
GUEST, PROGRAM, ADDRESS = "guest:", "key:", "address:"
KINDS = {GUEST: "guest", PROGRAM: "key", ADDRESS: "address"}
T = TypeVar("T")
Times = deque[float]


class FairUse:
    """Counts answers and refuses the one too many. Thread-safe."""

    def __init__(
        self, conversations: ConversationStore, settings: Settings, now: Callable[[], float] = time.time
    ) -> None:
        self._conversations, self._settings, self._now = conversations, settings, now
        self._lock = threading.Lock()
        self._times: OrderedDict[str, Times] = OrderedDict()

    def counted(self, who: Principal, source: str, updates: Iterator[T]) -> Iterator[T]:
        """`updates`, and one answer more for its caller once the first of them is there.

        Raises LimitReached before anything of `updates` has run.
        """
        limits = self.limits(who) if source != "demo" else {}
        at = self._take(limits)
        begun = False
        try:
            for update in updates:
                begun = True
                yield update
        finally:
            if not begun:
                self._give_back(limits, at)
            close = getattr(updates, "close", None)
            if close is not None:
                close()

    def limits(self, who: Principal) -> dict[str, Limit]:
        """What holds for a caller: whose answers are counted → how many there may be. Empty: no limit."""
        settings, found = self._settings, {}
        if who.id.startswith(PROGRAM):
            found[who.id] = settings.key_limit if who.role < Role.OWNER else Limit()
        elif who.role is Role.GUEST and who.id.startswith(GUEST):
            found[who.id] = settings.guest_limit
            if who.address:
                found[ADDRESS + who.address] = settings.address_limit
        elif who.role is Role.GUEST:
            found[who.id] = settings.person_limit
        return {whose: limit for whose, limit in found.items() if limit != Limit()}

    def _take(self, limits: dict[str, Limit]) -> float:
        """Count an answer for all of these, or for none."""
        if not limits:
            return 0.0
        with self._lock:
            now = self._now()
            known = {whose: self._of(whose, limit, now) for whose, limit in limits.items()}
            for whose, limit in limits.items():
                _check(whose, limit, known[whose], now)
            for times in known.values():
                times.append(now)
        return now

    def _give_back(self, limits: dict[str, Limit], at: float) -> None:
        """The answer was refused for another reason."""
        with self._lock:
            for whose in limits:
                times = self._times.get(whose)
                if times and at in times:
                    times.remove(at)

    def _of(self, whose: str, limit: Limit, now: float) -> Times:
        times = self._times.get(whose)
        if times is None:
            most = max(limit.per_minute or 0, limit.per_day or 0)
            times = deque(() if whose.startswith(ADDRESS) else self._stored(whose, most, now), maxlen=most)
            self._times[whose] = times
            while len(self._times) > MOST_KNOWN:
                self._times.popitem(last=False)
        self._times.move_to_end(whose)
        return times

    def _stored(self, person: str, most: int, now: float) -> list[float]:
        since = datetime.fromtimestamp(now - DAY, UTC)
        return [at.timestamp() for at in self._conversations.answered(person, since, most)]


def _check(whose: str, limit: Limit, times: Times, now: float) -> None:
    """Raises LimitReached when another answer now is one too many."""
    for most, length, span in ((limit.per_minute, MINUTE, "minute"), (limit.per_day, DAY, "day")):
        if most is not None and len(times) >= most and (wait := times[-most] + length - now) > 0:
            kind = next((kind for prefix, kind in KINDS.items() if whose.startswith(prefix)), "person")
            named = say(f"limits.{kind}")
            words = say("limits.reached", most=most, span=say(f"limits.{span}"), whose=named, wait=waiting_words(wait))
            raise LimitReached(words, wait)


def waiting_words(seconds: float) -> str:
    """How long that is, for a person: never less than it is."""
    units = ((unit, size) for unit, size in (("hours", 3600), ("minutes", 60)) if seconds > size)
    unit, size = next(units, ("seconds", 1))
    return say_count(f"words.{unit}", max(1, math.ceil(seconds / size)))
