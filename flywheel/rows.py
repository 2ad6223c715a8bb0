"""Rows of text: a row as one JSON line, what it is told by, and what a task is asked of it.

Pure. Knows no store and no file.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from flywheel.formats import as_row
from flywheel.tasks.build import Task
from flywheel.tasks.tokens import neutralise_messages
from flywheel.validity import Message, Rules, problem


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
