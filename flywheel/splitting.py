"""Which side of a dataset each example goes to: `train`, `validation` or `test`. Pure; knows no store and no task.

Rows that belong together share a side: those of one conversation, and those whose questions are near-duplicates. The
rules, in the order they bind:

- A side that a person fixed (at import) stands. Such a row joins no group: held-out phrasings resemble, by design, what
  is trained. The same question (after normalising) as a row fixed for `validation` or `test` is left out, and counted;
  the same as one fixed for `train` goes there.
- A row that an earlier version placed keeps its side for ever, also when it was rejected meanwhile: what resembles it
  still joins it.
- A new row joins the side of its group; one that belongs to groups on two sides is left out.
- New groups are drawn to a side by the hash of their first question, within the shares.
- The same question on two sides, both binding, is a clash: the caller fails the freeze.

Nothing here depends on the order of the rows, on ids or on time: the same rows give the same split in every home.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from flywheel.neighbours import SHARED, Neighbours, words
from flywheel.words.catalogue import say

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
SHARES_WITH_HELD_OUT = {"train": 0.9, "validation": 0.1, "test": 0.0}
ENOUGH_HELD_OUT = 10


@dataclass(frozen=True)
class Entry:
    """One example as the split sees it."""

    id: str
    text: str
    """The question, with all that goes before it in its conversation, after `neighbours.normalise`."""
    conversation: str | None = None
    fixed: Side | None = None
    """The side that a person named."""
    placed: Side | None = None
    """The side in an earlier version."""
    group: str | None = None
    """The group in an earlier version."""
    live: bool = True
    """False: an earlier version holds it, this one will not."""


@dataclass(frozen=True)
class Placement:
    """Where one row goes."""

    side: Side
    group: str


@dataclass
class Split:
    """The result: every live entry is either placed or left out with a reason, unless there are clashes."""

    placements: dict[str, Placement] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    clashes: list[tuple[Entry, Entry]] = field(default_factory=list)
    resembling: int = 0
    """Rows for training that are near-duplicates of a row fixed for `test`: kept, and said."""
    shares: dict[str, float] = field(default_factory=dict)


def split(entries: Sequence[Entry]) -> Split:
    """Place all entries. With clashes nothing is placed."""
    ordered = sorted(entries, key=lambda e: (_hash(e.text), e.text, e.id))
    clashes = _clashes(ordered)
    return Split(clashes=clashes) if clashes else _without_tested(ordered, _Splitting(ordered).run())


def _without_tested(entries: Sequence[Entry], result: Split) -> Split:
    """A question that was ever a test row, rejected since or not, is never learnt through another row."""
    tested = {entry.text for entry in entries if "test" in (entry.placed, entry.fixed)}
    for entry in entries:
        place = result.placements.get(entry.id)
        if place is not None and place.side != "test" and entry.text in tested:
            del result.placements[entry.id]
            result.left_out[entry.id] = say("freeze.was_test")
    return result


def _clashes(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Pairs of live rows with the same text, bound to two sides."""
    first: dict[str, Entry] = {}
    clashes = []
    for entry in entries:
        if entry.live and _bound(entry):
            other = first.setdefault(entry.text, entry)
            if _bound(other) != _bound(entry):
                clashes.append((other, entry))
    return clashes


class _Splitting:
    """One pass over the entries; groups are a union-find over their places, each with one side or none yet."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.words = [words(entry.text) for entry in entries]
        self.parent = list(range(len(entries)))
        self.side: list[Side | None] = [_bound(entry) for entry in entries]
        self.same_text: dict[str, set[int]] = {}
        self.conversations: dict[str, set[int]] = {}
        self.near = Neighbours(self.words)
        self.result = Split()

    def run(self) -> Split:
        fixed = [i for i, entry in enumerate(self.entries) if entry.fixed]
        placed = [i for i, entry in enumerate(self.entries) if entry.placed and not entry.fixed]
        new = [i for i, entry in enumerate(self.entries) if not _bound(entry)]
        held_out = {e.text: e.fixed for e in self.entries if e.fixed in ("validation", "test")}
        trained = {e.text for e in self.entries if e.fixed == "train" and e.live}
        self._place_fixed(fixed)
        for i in placed:
            self._join(i, {root for root in self._relatives(i) if self.side[root] == self.side[i]})
        for i in new:
            if side := held_out.get(self.entries[i].text):
                self.result.left_out[self.entries[i].id] = say("freeze.fixed_asks", side=side)
            else:
                # The same question goes with it: drawn to another side it would be trained and tested.
                self.side[i] = "train" if self.entries[i].text in trained else None
                self._insert(i)
        members = placed + [i for i in new if self.entries[i].id not in self.result.left_out]
        self._draw(members)
        self._place(members)
        self._count_resembling()
        return self.result

    def _place_fixed(self, fixed: Sequence[int]) -> None:
        once_tested = {e.text for e in self.entries if e.placed == "test" and not e.live}
        for entry in (self.entries[i] for i in fixed):
            if entry.fixed is None or not entry.live:
                continue
            if entry.fixed != "test" and entry.placed is None and entry.text in once_tested:
                self.result.left_out[entry.id] = say("freeze.held_out")
                continue
            self.result.placements[entry.id] = Placement(entry.fixed, entry.group or f"fixed-{_hash(entry.text)}")

    def _insert(self, i: int) -> None:
        relatives = self._relatives(i)
        sides = {side for root in relatives | {i} if (side := self.side[root])}
        if len(sides) > 1:
            named = f" {say('words.and')} ".join(f"`{side}`" for side in SIDES if side in sides)
            self.result.left_out[self.entries[i].id] = say("freeze.bridges", sides=named)
            return
        self._join(i, relatives)

    def _relatives(self, i: int) -> set[int]:
        """Roots of the groups, of those inserted before, that this row belongs with."""
        entry = self.entries[i]
        known = self.same_text.get(entry.text, set()) | self.conversations.get(entry.conversation or "", set())
        return {self._root(other) for other in known} | self.near.groups(self.words[i], self._root)

    def _join(self, i: int, relatives: set[int]) -> None:
        """Put a row and the groups it belongs with together; at most one of them has a side."""
        entry = self.entries[i]
        root = min(relatives | {i})
        side = next((self.side[other] for other in sorted(relatives) if self.side[other]), self.side[i])
        for other in relatives | {i}:
            self.parent[other] = root
        self.side[root] = side
        self.same_text.setdefault(entry.text, set()).add(root)
        self.near.add(self.words[i], root)
        if entry.conversation:
            self.conversations.setdefault(entry.conversation, set()).add(root)

    def _draw(self, members: Sequence[int]) -> None:
        """Give each group without a side one: where its hash falls, or, that side being full, where most is wanting."""
        sizes: dict[int, int] = {}
        names: dict[int, str] = {}
        room = self._room(members)
        for i in members:
            root = self._root(i)
            sizes[root] = sizes.get(root, 0) + 1
            names[root] = min(names.get(root, self.entries[i].text), self.entries[i].text)
            if (bound := self.side[root]) and self.entries[i].live:
                room[bound] -= 1
        for root in sorted((r for r in sizes if not self.side[r]), key=lambda r: _hash(names[r])):
            wanted = self._drawn(_hash(names[root]))
            side = wanted if room[wanted] >= sizes[root] else max(SIDES, key=room.__getitem__)
            self.side[root] = side
            room[side] -= sizes[root]

    def _room(self, members: Sequence[int]) -> dict[Side, int]:
        held_out = sum(entry.fixed == "test" and entry.live for entry in self.entries)
        self.result.shares = SHARES_WITH_HELD_OUT if held_out >= ENOUGH_HELD_OUT else SHARES
        total = sum(self.entries[i].live for i in members)
        room: dict[Side, int] = {side: int(self.result.shares[side] * total) for side in SIDES[1:]}
        return {"train": total - sum(room.values()), **room}

    def _drawn(self, digest: str) -> Side:
        point, below = int(digest[:8], 16) / 16**8, 0.0
        for side in SIDES:
            below += self.result.shares[side]
            if point < below:
                return side
        return "train"

    def _place(self, members: Sequence[int]) -> None:
        names: dict[int, str] = {}
        for i in members:
            root = self._root(i)
            names[root] = min(names.get(root, "~"), self.entries[i].group or _hash(self.entries[i].text))
        for i in members:
            entry, side = self.entries[i], self._side(i)
            if entry.live and side:
                self.result.placements[entry.id] = Placement(side, entry.group or names[self._root(i)])

    def _count_resembling(self) -> None:
        held_out = Neighbours(self.words)
        for i, entry in enumerate(self.entries):
            if entry.fixed == "test" and entry.live:
                held_out.add(self.words[i], 0)
        for i, entry in enumerate(self.entries):
            placement = self.result.placements.get(entry.id)
            if placement and placement.side == "train":
                self.result.resembling += len(held_out.groups(self.words[i], lambda group: group))

    def _root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def _side(self, i: int) -> Side | None:
        return self.side[self._root(i)]


def policy_words(result: Split) -> str:
    """What was done, for the version's record."""
    shares = result.shares
    if shares == SHARES_WITH_HELD_OUT:
        how = say("freeze.policy_held_out", most=ENOUGH_HELD_OUT)
    else:
        how = say("freeze.policy")
    return say("freeze.policy_groups", how=how, share=f"{float(SHARED):.0%}")


def _bound(entry: Entry) -> Side | None:
    return entry.fixed or entry.placed


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
