"""Pinned tests: approved examples that every later version has to answer, and that none is trained on.

Owns who may pin and what can be pinned. How they are asked is `runfiles`' matter, what they mean the gate's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flywheel.errors import InvalidInput, NotFound
from flywheel.items import pseudonym
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.examples import Example, ExampleStore
from storage.pins import Pin, PinStore

PINNABLE = ("approved", "pending")
"""A pending one may have one of two approvals; its pin counts from the day it is approved."""


@dataclass(frozen=True)
class PinnedTest:
    """One pin as people see it."""

    id: str
    """Of the example."""
    question: str
    completion: str
    pinned: datetime
    by: str
    """Whoever pinned it."""
    in_force: bool
    """False: its example is not approved now, so it is not asked."""


class Pins:
    """Pins of one home. Thread-safe."""

    def __init__(self, pins: PinStore, examples: ExampleStore) -> None:
        self._pins, self._examples = pins, examples

    def listing(self, who: Principal) -> list[PinnedTest]:
        """All pins, newest first, without those whose author does not allow learning from them."""
        require(who, Role.REVIEWER)
        pins = self._pins.list()
        examples = self._examples.named([pin.example_id for pin in pins])
        return [
            PinnedTest(
                id=pin.example_id,
                question=examples[pin.example_id].prompt[-1]["content"],
                completion=examples[pin.example_id].completion,
                pinned=pin.created,
                by=pseudonym(pin.by),
                in_force=examples[pin.example_id].state == "approved",
            )
            for pin in pins
            if pin.example_id in examples
        ]

    def add(self, who: Principal, ids: Sequence[str]) -> int:
        """Pin examples; returns how many were not pinned yet. Raises NotFound, and InvalidInput for one that was
        decided otherwise; nothing is pinned then."""
        require(who, Role.REVIEWER)
        for example_id in ids:
            example = self._get(example_id)
            if example.state not in PINNABLE:
                raise InvalidInput(say("error.pin.not_approved", example=example_id, state=example.state))
        return self._pins.mark(ids, "pinned", by=who.id)

    def remove(self, who: Principal, ids: Sequence[str]) -> int:
        """Take pins away: the owner any, others their own. Returns how many. Raises NotFound, Forbidden."""
        require(who, Role.REVIEWER)
        by = {pin.example_id: pin.by for pin in self._pins.list()}
        for example_id in ids:
            if example_id not in by:
                raise NotFound(say("error.pin.unknown", example=example_id[:60]))
            if not self.may_remove(who, by[example_id]):
                require(who, Role.OWNER)
        return self._pins.mark(ids, "removed", by=who.id)

    def of(self, who: Principal, example_id: str) -> Pin | None:
        """The pin of an example, in force or not; None where it has none."""
        require(who, Role.REVIEWER)
        return self._pins.of(example_id)

    def may_remove(self, who: Principal, by: str) -> bool:
        """Whether somebody may take away a pin that `by` set."""
        return by == who.id or who.role >= Role.OWNER

    def in_force(self) -> list[Example]:
        """The examples that are pinned and approved, for those who freeze and test."""
        found = self._examples.named([pin.example_id for pin in self._pins.list()])
        return [example for example in found.values() if example.state == "approved"]

    def _get(self, example_id: str) -> Example:
        example = self._examples.get(example_id)
        if example is None or self._examples.is_held(example):
            raise NotFound(say("error.example.unknown", example=example_id[:60]))
        return example
