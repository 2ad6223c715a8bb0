"""What guests send, held against the limits: at a freeze what is left out, in review what a reviewer should know first.

The one place that knows whose rows the limits are for. What the limits say is the matter of `poisoning`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flywheel.fresh import Fresh
from flywheel.poisoning.limits import Held, Limits, held_back
from flywheel.poisoning.patterns import Found, bursts, phrases, repeats
from flywheel.poisoning.sent import sent
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.example_records import LIVE
from storage.examples import Example, ExampleStore

MOST_READ = 100_000
"""Rows of each state that are looked through for flags, the newest first."""


@dataclass(frozen=True)
class Withheld:
    """What a freeze leaves out because of the limits."""

    rows: Mapping[str, Held] = field(default_factory=dict)
    """By example."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For the version's record: `limits`, `held_back` (limit → rows) and `reported` (in words)."""


class Guard:
    """Looks at what guests sent. Thread-safe."""

    def __init__(
        self,
        examples: ExampleStore,
        limits: Limits,
        is_guest: Callable[[str], bool],
        own_words: Callable[[], Collection[str]],
    ) -> None:
        """`is_guest` tells of a person's id whether nobody let them in by name; `own_words` gives the examples whose
        completion a model had said itself."""
        self._examples = examples
        self._limits = limits
        self._is_guest = is_guest
        self._own_words = own_words
        self._flags = Fresh(self._look)

    def from_guest(self, example: Example) -> bool:
        """Whether the limits are for this example: a guest said it in the chat."""
        return example.source == "chat" and self._is_guest(example.created_by)

    def withheld(self, usable: Sequence[Example], placed: Collection[str]) -> Withheld:
        """What a version of `usable` leaves out; `placed` are the examples that an earlier version holds."""
        guests = [example for example in usable if self.from_guest(example)]
        own = self._own_words() if guests else ()
        rows = [sent(example, own=example.id in own, placed=example.id in placed) for example in guests]
        held = held_back(rows, len(usable) - len(rows), self._limits)
        counts: dict[str, int] = {}
        for one in held.values():
            counts[one.limit] = counts.get(one.limit, 0) + 1
        reported = [found.words for found in (*bursts(rows), *phrases(rows))]
        return Withheld(held, {"limits": self._limits.facts(), "held_back": counts, "reported": reported})

    def flags(self, who: Principal) -> dict[str, list[str]]:
        """Example → what a reviewer should know before deciding, each a few words; those without are left out.

        Looks at guests' rows that are undecided or approved. May be some seconds old where there are very many.
        """
        require(who, Role.REVIEWER)
        return self._flags.get()

    def _look(self) -> dict[str, list[str]]:
        states = (*LIVE, "quarantined")
        rows = [
            sent(example)
            for state in states
            for example in self._examples.listing(state, limit=MOST_READ)
            if self.from_guest(example)
        ]
        flags: dict[str, list[str]] = {row.id: [say("invalid.holds", what=row.hidden)] for row in rows if row.hidden}
        for found in (*repeats(rows, self._limits.same_reply), *phrases(rows), *bursts(rows)):
            _note(flags, found)
        return flags


def _note(flags: dict[str, list[str]], found: Found) -> None:
    for id in found.ids:
        flags.setdefault(id, []).append(found.words)


def unguarded(usable: Sequence[Example], placed: Collection[str]) -> Withheld:
    """No limits: for whoever gathers rows without guests."""
    return Withheld()
