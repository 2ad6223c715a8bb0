"""From approved examples to the rows of a dataset: which can be used, which are one, and on which side each goes.

Every approved example ends as a row or as a refusal with its reason. Knows neither store nor files; the same examples
give the same rows in any order.
"""

import hashlib
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from flywheel import leakguard
from flywheel.errors import Conflict, InvalidInput
from flywheel.guarding import Withheld, unguarded
from flywheel.leakguard import Asked, Reserved, question
from flywheel.neighbours import normalise
from flywheel.redaction.pairs import private
from flywheel.rows import as_sent, content_of, why_unusable
from flywheel.splitting import SIDES, Entry, Side, Split, split
from flywheel.tasks.build import Task
from flywheel.validity import Message, Rules
from flywheel.words.catalogue import say
from storage.examples import Example

SHOWN_PAIRS = 5
LOOKED_AT = 2_000
"""Rows after which it is told how far this is."""
NOTHING_RESERVED = Reserved()
Placements = Mapping[str, tuple[str, str]]
"""Example → side and group of its first placement in any version."""


@dataclass(frozen=True)
class FrozenRow:
    """One row on its way into a version."""

    example_id: str
    side: str
    group_key: str
    prompt: list[Message]
    completion: str
    provenance: str


@dataclass(frozen=True)
class Gathered:
    """What a version will hold, and what it will not."""

    rows: list[FrozenRow]
    """In the order of their content, which tells nothing of when or by whom they came."""
    refused: dict[str, str]
    """Example → why it is no row."""
    withheld: Withheld
    """Those of `refused` that the limits for guests hold back."""
    split: Split


@dataclass(frozen=True)
class _Candidate:
    example: Example
    sent: list[Message]
    entry: Entry


def gather(
    approved: Sequence[Example],
    placements: Placements,
    find: Callable[[str], Example | None],
    task: Task,
    rules: Rules,
    withhold: Callable[[Sequence[Example], Collection[str]], Withheld] = unguarded,
    reserved: Reserved = NOTHING_RESERVED,
) -> Generator[int, None, Gathered]:
    """Choose and place; yields how many rows were looked at.

    `find` gives an example that is not approved any more; `withhold` what the limits for guests leave out of the usable
    ones, given also what earlier versions hold; `reserved` is what must not be learnt. Raises InvalidInput when nothing
    is left to train on, Conflict when one question binds to two sides, or would be tested and trained.
    """
    if not approved:
        raise InvalidInput(say("error.freeze.nothing_approved"))
    refused: dict[str, str] = {}
    usable: dict[str, _Candidate] = {}
    for number, example in enumerate(approved):
        if number % LOOKED_AT == 0:
            yield number
        if reason := why_unusable(task, example.prompt, example.completion, rules) or _held_back(example):
            refused[example.id] = reason
        else:
            usable[example.id] = _candidate(example, placements, task, rules)
    yield len(approved)
    tested = _tested(usable, reserved)
    for id, reason in _kept_from_learning(usable, reserved.pins, tested).items():
        refused[id] = reason
        del usable[id]
    # Before copies become one: the copy that stays must not be one that is held back.
    withheld = withhold([candidate.example for candidate in usable.values()], placements.keys())
    for id, held in withheld.rows.items():
        refused[id] = held.reason
        del usable[id]
    for id in _too_many_synthetic(usable.values()):
        refused[id] = say("freeze.too_synthetic")
        del usable[id]
    kept, twins = _collapse(usable.values())
    # Rows of earlier versions that are out now still bind what resembles them.
    gone = [found for id in placements if id not in usable and (found := find(id))]
    former = [_candidate(example, placements, task, rules, live=False).entry for example in gone]
    result = split([candidate.entry for candidate in kept] + former)
    if result.clashes:
        raise Conflict(_clash(result.clashes, usable))
    refused |= twins | result.left_out
    rows = [_row(usable[id], place.side, place.group) for id, place in result.placements.items()]
    _require_training_rows(rows, refused)
    if pairs := leakguard.leaks(rows, tested):
        raise Conflict(leakguard.words(pairs))
    return Gathered(sorted(rows, key=content_of), refused, withheld, result)


def _tested(usable: Mapping[str, _Candidate], reserved: Reserved) -> Asked:
    pinned = {usable[id].entry.text: id for id in sorted(reserved.pins) if id in usable}
    return leakguard.asked(pinned, reserved.general)


def _kept_from_learning(usable: Mapping[str, _Candidate], pins: Collection[str], tested: Asked) -> dict[str, str]:
    """Pins and what asks the same as a test outside of the version → why it is left out; a test row stays one."""
    found = {}
    for id, candidate in usable.items():
        if (candidate.entry.fixed or candidate.entry.placed) == "test":
            continue
        reason = say("freeze.pinned") if id in pins else tested.why(candidate.entry.text)
        if reason:
            found[id] = reason
    return found


def _too_many_synthetic(candidates: Iterable[_Candidate]) -> list[str]:
    """Examples beyond the cap; those of earlier versions stay first, then the hash of the question decides."""
    every = list(candidates)
    made = [candidate for candidate in every if candidate.example.provenance == "synthetic"]
    made.sort(
        key=lambda candidate: (
            candidate.entry.placed is None,
            hashlib.sha256(candidate.entry.text.encode()).hexdigest(),
        )
    )
    return [candidate.example.id for candidate in made[len(every) - len(made) :]]


def _held_back(example: Example) -> str | None:
    """Personal data and secrets that nobody gave a reason to keep: an import may come approved and unseen."""
    held = None if example.reason else private(example.prompt, example.completion)
    return say("freeze.personal", held=held) if held else None


def _candidate(example: Example, placements: Placements, task: Task, rules: Rules, *, live: bool = True) -> _Candidate:
    sent = as_sent(task, example.prompt, rules.control_tokens)
    side, group = placements.get(example.id, (None, None))
    entry = Entry(
        id=example.id,
        text=normalise(question(sent)),
        conversation=example.conversation_id,
        fixed=cast(Side | None, example.split),
        placed=cast(Side | None, side),
        group=group,
        live=live,
    )
    return _Candidate(example, sent, entry)


def _collapse(candidates: Iterable[_Candidate]) -> tuple[list[_Candidate], dict[str, str]]:
    """One of each pair that is the same but for spacing, and case of the question; the one bound to a side first."""
    kept: dict[tuple[str, str, Side | None], _Candidate] = {}
    twins: dict[str, str] = {}
    for candidate in sorted(candidates, key=_keeping_order):
        entry = candidate.entry
        same = (entry.text, " ".join(candidate.example.completion.split()))
        bound = entry.fixed or entry.placed
        # A copy without a side goes with any; copies bound to two sides both stay, for the split to object.
        sides: tuple[Side | None, ...] = (bound,) if bound else (*SIDES, None)
        twin = next((kept[(*same, side)] for side in sides if (*same, side) in kept), None)
        if twin is None:
            kept[(*same, bound)] = candidate
        else:
            twins[entry.id] = say("freeze.same_pair", example=twin.entry.id)
    return list(kept.values()), twins


def _keeping_order(candidate: _Candidate) -> tuple[Any, ...]:
    entry, example = candidate.entry, candidate.example
    texts = [message["content"] for message in candidate.sent]
    return not entry.placed, not entry.fixed, texts, example.completion, example.provenance, example.id


def _row(candidate: _Candidate, side: str, group: str) -> FrozenRow:
    example = candidate.example
    return FrozenRow(example.id, side, group, candidate.sent, example.completion, example.provenance)


def _require_training_rows(rows: Sequence[FrozenRow], refused: Mapping[str, str]) -> None:
    if any(row.side == "train" for row in rows):
        return
    if rows:
        raise InvalidInput(say("error.freeze.all_held_out", count=len(rows)))
    reasons = "; ".join(f"`{id}`: {reason}" for id, reason in list(refused.items())[:SHOWN_PAIRS])
    raise InvalidInput(say("error.freeze.none_usable", count=len(refused), reasons=reasons))


def _clash(clashes: Sequence[tuple[Entry, Entry]], usable: Mapping[str, _Candidate]) -> str:
    pairs = "; ".join(
        say(
            "error.freeze.clash_pair",
            question=question(usable[one.id].sent)[:80],
            side=one.fixed or one.placed,
            example=one.id,
            other_side=other.fixed or other.placed,
            other=other.id,
        )
        for one, other in clashes[:SHOWN_PAIRS]
    )
    more = say("error.freeze.clash_more", count=len(clashes) - SHOWN_PAIRS) if len(clashes) > SHOWN_PAIRS else ""
    return say("error.freeze.clash", pairs=pairs, more=more)
