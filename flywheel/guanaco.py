"""Guanaco's form of a conversation: `### Human: … ### Assistant: …` in one text. Pure.

What the text cannot tell, such as a mark or blanks at the ends of somebody's own words, stands beside it in `said`,
which other programs leave alone.
"""

from collections.abc import Sequence
from typing import Any

from flywheel.words.catalogue import say

Message = dict[str, str]
SAID = "said"
_NAMES = {"user": "Human", "assistant": "Assistant", "system": "System"}
_ROLES = {name: role for role, name in _NAMES.items()}


def row_of(messages: Sequence[Message]) -> dict[str, Any]:
    """The row of a conversation."""
    text = "".join(f"### {_NAMES[message['role']]}: {message['content']}" for message in messages)
    return {"text": text} if messages_in(text) == list(messages) else {"text": text, SAID: list(messages)}


def messages_in(text: str) -> list[Message]:
    """The conversation in a text. Raises ValueError where it does not begin with one."""
    parts = text.split("### ")
    messages: list[Message] = []
    for part in parts[1:]:
        name, colon, said = part.partition(":")
        if not colon or name not in _ROLES:
            # Three hashes also begin a heading inside somebody's words.
            if not messages:
                break
            messages[-1]["content"] += f"### {part}"
        else:
            messages.append({"role": _ROLES[name], "content": said})
    if parts[0].strip() or not messages:
        raise ValueError(say("row.no_human", begin="### Human:"))
    return [{**message, "content": message["content"].strip()} for message in messages]
