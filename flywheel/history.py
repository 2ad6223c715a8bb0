"""What of a conversation a model is sent, and what produced an answer. Pure: turns in, messages out."""

import itertools
from collections.abc import Sequence

from storage.conversations import Turn

Message = dict[str, str]
MOST_MESSAGES = 40
"""Earlier messages a model is sent at most, the newest ones; fewer where they do not fit its context."""


def exchanges(path: Sequence[Turn]) -> list[Message]:
    """Question and answer by turns, oldest first; an unanswered question is left out, since roles must alternate."""
    messages: list[Message] = []
    for question, answer in itertools.pairwise(path):
        answered = answer.state != "failed" and answer.content.strip()
        if question.role == "user" and answer.role == "assistant" and answered:
            messages += [message(question), message(answer)]
    return messages


def prompt_of(path: Sequence[Turn], *, single_turn: bool) -> list[Message]:
    """The messages that produced the answer at the end of `path`, as they were typed, without a system message."""
    *before, question, answer = path
    if single_turn:
        return [message(question)]
    left_out = int(answer.details.get("left_out", 0))
    return [*exchanges(before)[left_out:], message(question)]


def message(turn: Turn) -> Message:
    """The turn as a model's message."""
    return {"role": turn.role, "content": turn.content}
