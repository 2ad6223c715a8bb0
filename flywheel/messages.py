"""Messages as a stranger's file holds them: a role and a text each, or words saying what else is there.

Pure. Knows no format.
"""

from typing import Any

from flywheel.validity import Message


def messages_of(value: Any, key: str) -> list[Message]:
    """A list of messages with text contents. Raises ValueError naming what is none."""
    if not isinstance(value, list):
        raise ValueError(f"`{key}` is no list of messages")
    return [_message(message, number, key) for number, message in enumerate(value, 1)]


def _message(message: Any, number: int, key: str) -> Message:
    name = f"message {number} of `{key}`"
    if not isinstance(message, dict):
        raise ValueError(f"{name} is no object with `role` and `content`")
    for unusable in ("tool_calls", "function_call", "audio"):
        if message.get(unusable):
            raise ValueError(f"{name} has `{unusable}`, and only text can be used")
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"{name} has the role `{shown(role)}`; use `system`, `user` or `assistant`")
    parts = content if isinstance(content, list) else ()
    if any(isinstance(part, dict) and "image" in str(part.get("type")) for part in parts):
        raise ValueError(f"{name} has an image, and only text can be used")
    if not isinstance(content, str):
        raise ValueError(f"{name} has a content that is no text, and only text can be used")
    return {"role": role, "content": content}


def shown(value: Any) -> str:
    """A stranger's value inside a message: short, and printable even when it holds half a character."""
    return str(value)[:40].encode("utf-8", "replace").decode()
