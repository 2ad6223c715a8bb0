"""An answer as OpenAI's clients read it: one object, or the chunks of a stream. Pure: a stored turn in, dicts out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flywheel.reply import Update
from flywheel.tasks.build import Task
from storage.conversations import Turn

Record = dict[str, Any]
FENCE = "```"
OUTCOME = ("sql", "accepted", "reason", "columns", "rows", "truncated", "sentence")
FINISH = {"stop": "stop", "length": "length", "deadline": "length", "cancelled": "stop"}
"""How an answer ended → OpenAI's word. One that was cut by the deadline is incomplete, as one that was too long."""


@dataclass(frozen=True)
class Answer:
    """An ended answer, told in OpenAI's words."""

    turn: Turn
    content: str
    extra: Record
    """The `flywheel` object."""

    @property
    def finish_reason(self) -> str:
        return FINISH.get(str(self.turn.details.get("finish_reason")), "stop")

    @property
    def usage(self) -> Record:
        told = int(self.turn.details.get("prompt_tokens") or 0)
        written = int(self.turn.details.get("completion_tokens") or 0)
        return {"prompt_tokens": told, "completion_tokens": written, "total_tokens": told + written}

    def whole(self) -> Record:
        """The `chat.completion` object."""
        message = {"role": "assistant", "content": self.content}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        head = {"id": self.turn.id, "object": "chat.completion", "created": int(self.turn.created.timestamp())}
        return {**head, "model": self.turn.version, "choices": [choice], "usage": self.usage, "flywheel": self.extra}


def answer_of(last: Update, task: Task) -> Answer:
    """The answer in the last update of a reply."""
    turn = last.turn
    assert turn is not None
    extra: Record = {"turn_id": turn.id, "version": turn.version}
    if task.name == "sql":
        outcome = last.outcome
        extra |= {name: getattr(outcome, name) if outcome else EMPTY[name] for name in OUTCOME}
    if last.thinking:
        extra["reasoning_content"] = last.thinking
    if last.notice:
        extra["notice"] = last.notice
    return Answer(turn, content_of(turn.content, task), extra)


EMPTY: Mapping[str, Any] = {
    "sql": None, "accepted": False, "reason": "", "columns": [], "rows": [], "truncated": False, "sentence": "",
}  # fmt: skip
"""What an answer that was cut short came to: nothing was run."""


def content_of(text: str, task: Task) -> str:
    """The bare statement for `sql`, the text itself for any other task."""
    return task.completion(text) if task.name == "sql" else text


class Chunks:
    """The chunks of one stream. What was sent is never taken back: a fence is held until it is known to be one."""

    def __init__(self, id: str, version: str, task: Task, *, with_usage: bool) -> None:
        self._head = {"id": id, "object": "chat.completion.chunk", "created": int(time.time()), "model": version}
        self._task, self._with_usage = task, with_usage
        self._begun, self._sent, self._thought = False, "", False

    def more(self, text: str, thinking: str = "") -> list[Record]:
        """What `text`, the whole answer so far, adds to what was sent; the first chunk says whose message it is."""
        self._thought = bool(thinking)
        if self._task.name == "sql":
            bare = text.lstrip()
            text = "" if bare[: len(FENCE)] == FENCE[: len(bare)] else bare.rstrip()
        return [*self._first(), *self._added(text)]

    def last(self, answer: Answer) -> list[Record]:
        """The rest of the text, the end, and the usage where it was asked for."""
        self._thought = "reasoning_content" in answer.extra
        end = self._chunk({}, answer.finish_reason) | {"flywheel": answer.extra}
        chunks = [*self._first(), *self._added(answer.content), end]
        if self._with_usage:
            chunks.append(self._chunk(None) | {"usage": answer.usage, "flywheel": answer.extra})
        return chunks

    def _first(self) -> list[Record]:
        begun, self._begun = self._begun, True
        return [] if begun else [self._chunk({"role": "assistant", "content": ""})]

    def _added(self, text: str) -> list[Record]:
        if self._sent and text and not text.startswith(self._sent) and self._thought:
            # What was sent has turned out to be thoughts that nobody had announced; the answer begins only now.
            self._sent = ""
        if len(text) <= len(self._sent) or not text.startswith(self._sent):
            return []
        added, self._sent = text[len(self._sent) :], text
        return [self._chunk({"content": added})]

    def _chunk(self, delta: Record | None, finish_reason: str | None = None) -> Record:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        usage = {"usage": None} if self._with_usage else {}
        return {**self._head, "choices": [] if delta is None else [choice], **usage}
