"""Nothing that a version is tested on is trained: the same question, after normalising, never stands on both sides.

Pure. What is *nearly* the same is the matter of `splitting`; here only equality counts, and it binds without exception.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flywheel.neighbours import normalise
from flywheel.validity import Message
from flywheel.words.catalogue import say

SHOWN = 5


class Placed(Protocol):
    """A row with its side."""

    @property
    def example_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def prompt(self) -> list[Message]: ...


@dataclass(frozen=True)
class Reserved:
    """What is kept for tests besides the test rows of a version."""

    pins: Collection[str] = ()
    """Ids of the examples that are pinned."""
    general: Sequence[Sequence[Message]] = ()
    """The prompts of the general suite, which comes with the base."""


@dataclass(frozen=True)
class Asked:
    """The questions that are reserved, normalised."""

    pinned: Mapping[str, str] = field(default_factory=dict)
    """Question → the example that is pinned."""
    general: frozenset[str] = frozenset()

    def why(self, text: str) -> str | None:
        """Why a row of this normalised question must not be learnt; None when it may."""
        if text in self.pinned:
            return say("freeze.as_pinned", pinned=self.pinned[text])
        return say("freeze.as_general") if text in self.general else None


def question(prompt: Sequence[Message]) -> str:
    """All that is said before the answer, but for the system message, which all rows share."""
    said = [message for message in prompt if message["role"] != "system"]
    return said[0]["content"] if len(said) == 1 else "\n".join(f"{m['role']}: {m['content']}" for m in said)


def asked(pinned: Mapping[str, str], general: Iterable[Sequence[Message]]) -> Asked:
    """`pinned`: normalised question → example; `general`: prompts."""
    return Asked(pinned, frozenset(normalise(question(prompt)) for prompt in general))


def leaks(rows: Sequence[Placed], reserved: Asked) -> list[str]:
    """Each pair that stands on both sides, in words; empty when the rows are sound."""
    learnt: dict[str, Placed] = {}
    for row in rows:
        if row.side == "train":
            learnt.setdefault(normalise(question(row.prompt)), row)
    found = [
        say("error.freeze.leak_reserved", question=text[:80], example=row.example_id, why=why)
        for text, row in learnt.items()
        if (why := reserved.why(text))
    ]
    for row in rows:
        text = normalise(question(row.prompt))
        if row.side != "train" and text in learnt:
            other = learnt[text].example_id
            pair = {"side": "train", "example": other, "other_side": row.side, "other": row.example_id}
            found.append(say("error.freeze.clash_pair", question=text[:80], **pair))
    return found


def words(found: Sequence[str]) -> str:
    """What a person is told of pairs that were found."""
    more = say("error.freeze.clash_more", count=len(found) - SHOWN) if len(found) > SHOWN else ""
    return say("error.freeze.leak", pairs="; ".join(found[:SHOWN]), more=more)
