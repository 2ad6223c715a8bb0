"""An item of the inbox as a reviewer sees it, and the words for what happened to one meanwhile. Pure."""

from dataclasses import dataclass, field

from flywheel.tasks.sql import SqlOutcome
from flywheel.worddiff import Part
from flywheel.words.catalogue import say
from storage.conversations import Turn
from storage.examples import Example
from storage.queue import Vote


@dataclass(frozen=True)
class Item:
    """All that a reviewer sees of one example."""

    example: Example
    thread: list[Turn]
    """The conversation up to the answer, oldest first; empty for an example that was not chatted."""
    diff: list[Part]
    """From the model's answer to the proposed completion; one `added` part when there was no answer."""
    outcome: SqlOutcome | None
    """What the proposed SQL returns; None for a task without SQL."""
    problem: str | None
    """Why it cannot be approved as it stands, without a full stop; None when it can."""
    private: str | None
    """What personal data and secrets it holds, by type; it is approved redacted, or with a reason."""
    flags: list[str]
    """What the limits for guests noticed of it, each a few words."""
    tags: tuple[str, ...] = ()
    rating: str | None = None
    """The thumb on the answer."""
    answers: int = 1
    """Different answers that the question got."""
    logprob: float | None = None
    """Mean log-probability of the answer's tokens."""
    similar: list[tuple[str, str, str, float]] = field(default_factory=list)
    """(id, question, state, share of words and pairs in common) of others, the most similar first."""
    held_by: str | None = None
    """Another reviewer has it open."""
    votes: tuple[Vote, ...] = ()
    """Of a dispute: what the two before said."""


def meanwhile(example: Example, consequence: str) -> str:
    """Who did what, and when: the sentence for a decision that came too late."""
    if example.decided_by is None or example.decided_at is None:
        return say("error.example.changed", consequence=consequence)
    at = example.decided_at
    return say(
        f"error.example.done.{example.state}",
        person=pseudonym(example.decided_by),
        day=f"{at:%Y-%m-%d}",
        time=f"{at:%H:%M:%S}",
        consequence=consequence,
    )


def pseudonym(person: str) -> str:
    """A guest's id is their cookie's name for them, and no one else's business."""
    return person[: len("guest:") + 6] if person.startswith("guest:") else person
