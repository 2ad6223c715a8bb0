"""Rows of text: an example as one JSON line in each of the formats that go in and out, and what a task is asked of it.

Pure. Knows no store and no file.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from flywheel.tasks.build import Task
from flywheel.tasks.tokens import neutralise_messages
from flywheel.validity import Message, Rules, problem

FORMATS = ("openai", "prompt-completion", "csv")


class FrozenText(Protocol):
    """What the text of a row of a dataset is made of; a DatasetRow is one."""

    @property
    def side(self) -> str: ...
    @property
    def prompt(self) -> list[Message]: ...
    @property
    def completion(self) -> str: ...


def content_of(row: FrozenText) -> str:
    """A hash of what a row teaches, apart from its side and origin."""
    text = line(as_row(row.prompt, row.completion, "prompt-completion"))
    return hashlib.sha256(text.encode()).hexdigest()


def as_sent(task: Task, prompt: Sequence[Message], control_tokens: Sequence[str]) -> list[Message]:
    """What the model is sent for a prompt: the task's system message before it, control tokens made visible.

    A system message of the row's own (from an import, or an owner's request) stands in place of the task's, since its
    answer was given to it; a task that is sent single questions has no place for one.
    """
    own = [] if task.single_turn else [message for message in prompt[:1] if message["role"] == "system"]
    sent = task.messages([message for message in prompt if message["role"] != "system"])
    if own:
        sent = own + [message for message in sent if message["role"] != "system"]
    return neutralise_messages(sent, control_tokens)


def why_unusable(task: Task, prompt: Sequence[Message], completion: str, rules: Rules) -> str | None:
    """Why an example of this task cannot be trained on, as words without a full stop; None when it can.

    What its SQL does is not asked: that is `task.problem`.
    """
    return problem(prompt, completion, rules, lambda messages: as_sent(task, messages, rules.control_tokens))


def line(row: dict[str, Any]) -> str:
    """One JSON line, letters of all scripts as they are."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def as_row(prompt: Sequence[Message], completion: str, format: str) -> dict[str, Any]:
    """An example in one of the formats `openai` and `prompt-completion`."""
    answer = {"role": "assistant", "content": completion}
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    if format == "openai":
        return {"messages": [*messages, answer]}
    return {"prompt": messages, "completion": [answer]}


def from_row(row: Any, format: str) -> tuple[list[Message], str]:
    """Prompt and completion of a row as read from a file. Raises ValueError with words without a full stop.

    Other keys of the row are left alone: files carry ids and sources. Whether the texts can be trained on is not asked.
    """
    if not isinstance(row, dict):
        raise ValueError("it is no JSON object")
    return _openai(row) if format == "openai" else _pair(row)


def _openai(row: dict[str, Any]) -> tuple[list[Message], str]:
    messages = _messages(row.get("messages"), "messages")
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("the last of the `messages` is not by `assistant`")
    return messages[:-1], messages[-1]["content"]


def _pair(row: dict[str, Any]) -> tuple[list[Message], str]:
    missing = [key for key in ("prompt", "completion") if key not in row]
    if missing:
        raise ValueError(f"it has no `{missing[0]}`")
    prompt, completion = row["prompt"], row["completion"]
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else _messages(prompt, "prompt")
    if isinstance(completion, str):
        return messages, completion
    answer = _messages(completion, "completion")
    if len(answer) != 1 or answer[0]["role"] != "assistant":
        raise ValueError("the `completion` is not one message by `assistant`")
    return messages, answer[0]["content"]


def _messages(value: Any, key: str) -> list[Message]:
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
    if not isinstance(content, str):
        raise ValueError(f"{name} has a content that is no text, and only text can be used")
    return {"role": role, "content": content}


def shown(value: Any) -> str:
    """A stranger's value inside a message: short, and printable even when it holds half a character."""
    return str(value)[:40].encode("utf-8", "replace").decode()
