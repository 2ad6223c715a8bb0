"""How much of what guests send a dataset takes, and what of it is held back. Pure.

Guests are people whom nobody let in by name. What reviewers, owners and imports bring is never limited: they could
approve anything anyway. A reviewer may let a single row past the checks of its text with a reason; the counts stand.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from flywheel.neighbours import clusters
from flywheel.poisoning.patterns import repeats
from flywheel.poisoning.sent import Sent
from flywheel.words.catalogue import say


@dataclass(frozen=True)
class Limits:
    """What a dataset takes of guests' rows at most. Stored with each version."""

    per_guest: int = 20
    """Rows of one guest."""
    alike: int = 3
    """Rows whose questions are near-duplicates, numbers aside, of all guests together."""
    same_reply: int = 10
    """From so many different questions with one reply on, none of them is taken."""
    own_words: float = 0.3
    """Share of rows whose completion a model had said itself."""

    def facts(self) -> dict[str, float]:
        """For a version's record."""
        return asdict(self)


@dataclass(frozen=True)
class Held:
    """Why a row is held back."""

    limit: str
    """`invisible_text`, or the name of a limit."""
    reason: str
    """In words without a full stop."""


def held_back(rows: Sequence[Sent], others: int, limits: Limits) -> dict[str, Held]:
    """Which of the guests' rows a dataset with `others` further rows does not take: id → why.

    Rows that an earlier version holds come first, then those that a reviewer gave a reason for, then the oldest: who
    floods later pushes nobody out.
    """
    held = {
        row.id: Held("invisible_text", say("poison.hidden", hidden=row.hidden, keep=say("poison.keep")))
        for row in rows
        if row.hidden and not row.kept
    }
    kept = {row.id for row in rows if row.kept}
    for found in repeats(rows, limits.same_reply):
        held |= {
            id: Held("same_reply", found.words + say("poison.keep"))
            for id in found.ids
            if id not in kept and id not in held
        }
    left = sorted((row for row in rows if row.id not in held), key=_first_come)
    numbers = dict(zip((row.id for row in left), clusters([row.shape for row in left]), strict=True))
    words = say("poison.alike", count=limits.alike)
    left = _capped(left, lambda row: numbers[row.id], limits.alike, Held("alike", words), held)
    words = say("poison.per_guest", count=limits.per_guest)
    left = _capped(left, lambda row: row.person, limits.per_guest, Held("per_guest", words), held)
    own = sum(row.own for row in left)
    room = int((others + len(left) - own) * limits.own_words / (1 - limits.own_words))
    words = say("poison.own_words", share=f"{limits.own_words:.0%}")
    _capped([row for row in left if row.own], lambda row: "", room, Held("own_words", words), held)
    return held


def _first_come(row: Sent) -> tuple[object, ...]:
    return not row.placed, not row.kept, row.created, row.id


def _capped(
    rows: Sequence[Sent], key: Callable[[Sent], object], most: int, why: Held, held: dict[str, Held]
) -> list[Sent]:
    """The first `most` rows of each key; the others are added to `held`."""
    taken: Counter[object] = Counter()
    left = []
    for row in rows:
        taken[key(row)] += 1
        if taken[key(row)] > most:
            held[row.id] = why
        else:
            left.append(row)
    return left
