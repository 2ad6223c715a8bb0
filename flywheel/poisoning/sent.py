"""One row of a guest as the limits see it. Pure; knows no store."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flywheel.neighbours import normalise
from flywheel.poisoning.invisible import hidden
from storage.examples import Example

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Sent:
    """A pair that a guest sent."""

    id: str
    person: str
    question: str
    """The last question, after `neighbours.normalise`."""
    reply: str
    """The completion, likewise."""
    created: datetime
    hidden: str | None = None
    """What in it is not what it looks like, in words."""
    own: bool = False
    """The completion is what a model had said."""
    placed: bool = False
    """An earlier dataset version holds it."""
    kept: bool = False
    """A reviewer gave a reason for approving it."""

    @property
    def shape(self) -> str:
        """The question without its numbers: a flood often differs in nothing else."""
        return _DIGITS.sub("0", self.question)


def hides(prompt: Sequence[Mapping[str, str]], completion: str) -> str | None:
    """What of a pair is not what it looks like, in words, but for a model's answers; None when all of it is."""
    told = [message["content"] for message in prompt if message["role"] == "user"]
    return next((found for text in (*told, completion) if (found := hidden(text))), None)


def sent(example: Example, *, own: bool = False, placed: bool = False) -> Sent:
    """An example as the limits see it."""
    asked = [message["content"] for message in example.prompt if message["role"] == "user"]
    return Sent(
        id=example.id,
        person=example.created_by,
        question=normalise(asked[-1] if asked else ""),
        reply=normalise(example.completion),
        created=example.created,
        hidden=hides(example.prompt, example.completion),
        own=own,
        placed=placed,
        kept=example.state == "approved" and bool(example.reason),
    )
