"""Messages as a stranger's file holds them: a role and a text each, or words saying what else is there.

Pure. Knows no format.
"""

from typing import Any

from flywheel.validity import Message
from flywheel.words.catalogue import say


def messages_of(value: Any, key: str) -> list[Message]:
    """A list of messages with text contents. Raises ValueError naming what is none."""
    if not isinstance(value, list):
        raise ValueError(say("row.no_messages", key=key))
    return [_message(message, number, key) for number, message in enumerate(value, 1)]


def _message(message: Any, number: int, key: str) -> Message:
    name = say("row.message", number=number, key=key)
    if not isinstance(message, dict):
        raise ValueError(say("row.no_role", name=name))
    for unusable in ("tool_calls", "function_call", "audio"):
        if message.get(unusable):
            raise ValueError(say("row.unusable", name=name, what=unusable))
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant"):
        raise ValueError(say("row.role", name=name, role=shown(role)))
    parts = content if isinstance(content, list) else ()
    if any(isinstance(part, dict) and "image" in str(part.get("type")) for part in parts):
        raise ValueError(say("row.image", name=name))
    if not isinstance(content, str):
        raise ValueError(say("row.content", name=name))
    return {"role": role, "content": content}


def shown(value: Any) -> str:
    """A stranger's value inside a message: short, and printable even when it holds half a character."""
    return str(value)[:40].encode("utf-8", "replace").decode()
