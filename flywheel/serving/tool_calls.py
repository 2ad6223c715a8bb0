"""Calls of a tool in an answer: put together from their pieces, run, and told to the model.

From a server a call comes in parts, its arguments a few characters at a time; servers leave out what they please. One
call is run in each round, so many rounds at most. What an answer says in the end is the statement that ran last, since
that is what is stored and learnt; the model's words about its result stand apart. Knows no connection and no template.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from flywheel.serving.engine import Message
from flywheel.serving.thinking import parted
from flywheel.tasks.tools import Called, Tool
from flywheel.words.catalogue import say

MOST_ROUNDS = 3
MOST_ARGUMENTS = 20_000
"""Characters; what is longer is cut, and then is no JSON any more."""
MOST_CALLS = 8


@dataclass
class Call:
    """One call as far as it has come."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass
class Calls:
    """The calls of one round, the words beside them, and what became of the rounds before."""

    tool: Tool
    open: list[Call] = field(default_factory=list)
    words: str = ""
    done: list[Called] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    """What the model is sent after its prompt: its own calls, and their results."""

    def read(self, parts: Any) -> bool:
        """Take the parts of calls that one event brings; False where it brings none."""
        if not isinstance(parts, list) or not parts:
            return False
        for number, part in enumerate(parts):
            index = getattr(part, "index", None)
            at = index if isinstance(index, int) and 0 <= index < MOST_CALLS else min(number, MOST_CALLS - 1)
            while len(self.open) <= at:
                self.open.append(Call())
            _add(self.open[at], part)
        return True

    async def run(self) -> None:
        """Run what was called, on a thread beside; another round may follow."""
        for number, call in enumerate(self._begin()):
            self._end(call, await asyncio.to_thread(self._called, call) if number == 0 else None)

    def run_here(self) -> None:
        """Run what was called, on this thread; another round may follow."""
        for number, call in enumerate(self._begin()):
            self._end(call, self._called(call) if number == 0 else None)

    def _begin(self) -> list[Call]:
        # An empty call counts as a wrong one: else it could be made for ever.
        calls, words = [call for call in self.open if call.name or call.arguments] or self.open[:1], self.words
        self.open, self.words = [], ""
        for number, call in enumerate(calls):
            call.id = call.id or f"call_{len(self.done)}_{number}"
        told = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls]
        self.told.append({"role": "assistant", "content": words or None, "tool_calls": told})
        return calls

    def _end(self, call: Call, called: Called | None) -> None:
        if called is not None:
            self.done.append(called)
        result = called.told if called else json.dumps({"error": "One call at a time: this one was not run."})
        self.told.append({"role": "tool", "tool_call_id": call.id, "content": result})

    @property
    def over(self) -> bool:
        """There was a call, and no other may follow."""
        return len(self.done) >= MOST_ROUNDS

    @property
    def ran(self) -> bool:
        """A statement was run, and returned a result."""
        return any(called.ran for called in self.done)

    @property
    def text(self) -> str:
        """What the answer says: the statement that ran last; else the model's words; else what it tried."""
        return (self.statement if self.ran else self.words.strip() or self.statement) or ""

    @property
    def said(self) -> str | None:
        """The model's words about the result of what it ran; None where it ran nothing."""
        return parted(self.words).text if self.ran and not self.open else "" if self.ran else None

    @property
    def failure(self) -> str | None:
        """Why there is no answer, fit for a person; None where there is one, or nothing was called."""
        if not self.done or self.text:
            return None
        return say("error.model.wrong_calls", count=len(self.done))

    @property
    def statement(self) -> str | None:
        """The last one that ran, else the last that was tried; None where there is none."""
        tried = [called for called in self.done if called.statement is not None]
        ran = [called for called in tried if called.ran]
        return (ran or tried)[-1].statement if tried else None

    def _called(self, call: Call) -> Called:
        if call.name == self.tool.name:
            return self.tool.run(call.arguments)
        words = f"There is no tool `{call.name[:60]}`. Call `{self.tool.name}`."
        return Called(None, False, json.dumps({"error": words}))


def hinted(messages: list[Message], tool: Tool) -> list[Message]:
    """The messages with the tool's hint at the end of the system message."""
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{tool.hint}"}, *messages[1:]]
    return [{"role": "system", "content": tool.hint}, *messages]


def _add(call: Call, part: Any) -> None:
    function = getattr(part, "function", None)
    id, name, arguments = getattr(part, "id", None), getattr(function, "name", None), getattr(function, "arguments", "")
    if isinstance(arguments, dict):
        # Not in the protocol, and some servers do.
        arguments = json.dumps(arguments)
    call.id = call.id or (id if isinstance(id, str) else "")
    call.name = call.name or (name if isinstance(name, str) else "")
    call.arguments = (call.arguments + (arguments if isinstance(arguments, str) else ""))[:MOST_ARGUMENTS]
