"""A base's chat template that takes tools: found out by trying it, never by its name.

Offered is a tool only where the template renders its description, a call of it and its result, and where the call that
it renders can be read back: then what the model was taught to write can be read, too. Knows no model and no requests.
"""

import itertools
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flywheel.serving.call_forms import calls_in
from flywheel.serving.engine import Message
from flywheel.serving.thinking import TAGS, parted
from flywheel.serving.tool_calls import Call, hinted
from flywheel.tasks.tokens import neutralise
from flywheel.tasks.tools import Tool

ID = "call{:05}"
"""Nine letters and digits, on which some templates insist."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToolTemplate:
    """Renders rounds of calls and results, and reads what the model writes."""

    tokenizer: Any
    tool: Tool
    as_text: bool = False
    """Whether the template wants the arguments of a call as JSON text; else as an object."""

    def messages(self, asked: Sequence[Message], told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The prompt, and the calls and results after it, as the template takes them. One call in each round."""
        rounds: list[dict[str, Any]] = []
        for said, result in itertools.pairwise(told):
            if said["role"] == "assistant":
                id = ID.format(len(rounds))
                rounds += [
                    {**said, "content": self._plain(said["content"] or ""), "tool_calls": [self._call(said, id)]},
                    {**result, "name": self._name(said), "tool_call_id": id, "content": self._plain(result["content"])},
                ]
        return [*hinted(list(asked), self.tool), *rounds]

    def read(self, text: str, prompt: str) -> tuple[str, list[Call]]:
        """The words and the calls in what the model wrote after `prompt`, special tokens and all; thoughts left out."""
        if getattr(self.tokenizer, "response_template", None) is not None:
            words, found = self._declared(text, prompt)
        else:
            words, found = calls_in(parted(text, prompt=prompt).text)
        return self.unmarked(words), found

    def unmarked(self, text: str) -> str:
        """The text without special tokens."""
        for token in self.tokenizer.added_tokens_decoder.values():
            if token.special and token.content in text:
                text = text.replace(token.content, "")
        return text

    def _declared(self, text: str, prompt: str) -> tuple[str, list[Call]]:
        try:
            said = self.tokenizer.parse_response(text, prefix=prompt, tools=[self.tool.spec])
        except Exception as error:
            # The form is the base's own, and so may be anything that is wrong with it.
            log.info("the base's own form does not read an answer: %s", error)
            return parted(text, prompt=prompt).text, []
        found = []
        for one in said.get("tool_calls") or []:
            called = one.get("function", one)
            arguments = called.get("arguments")
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            found.append(Call("", str(called.get("name") or ""), written))
        return str(said.get("content") or ""), found

    def _name(self, said: dict[str, Any]) -> str:
        # A name that is none would be rendered as one, and break what follows.
        name = said["tool_calls"][0]["function"]["name"][:60] if said["tool_calls"] else ""
        return self._plain(name) or self.tool.name

    def _call(self, said: dict[str, Any], id: str) -> dict[str, Any]:
        written = self._plain(said["tool_calls"][0]["function"]["arguments"]) if said["tool_calls"] else ""
        try:
            given = json.loads(written)
        except (ValueError, RecursionError):
            given = {}
        given = given if isinstance(given, dict) else {}
        arguments = json.dumps(given, ensure_ascii=False) if self.as_text else given
        return {"id": id, "type": "function", "function": {"name": self._name(said), "arguments": arguments}}

    def _plain(self, text: str) -> str:
        """Marks of calls, of results and of turns in what the database or the model said, so that they mark nothing."""
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values()]
        return neutralise(text, [t for t in (*added, *TAGS, *TAGS.values()) if t[:1] in "<[" and t[-1:] in ">]"])


def find_template(tokenizer: Any, tool: Tool) -> ToolTemplate | None:
    """How this tokenizer's template takes the tool; None where it does not, or not in a way that can be read."""
    mark = f"probe_{os.urandom(4).hex()}"
    probe = replace(tool, name=mark)
    for as_text in (False, True):
        template = ToolTemplate(tokenizer, probe, as_text)
        try:
            works = _works(template, mark)
        except Exception as error:
            # A template is a program of whoever made the base: it raises what it pleases.
            log.debug("the template refuses a tool: %s", error)
            continue
        if works:
            return replace(template, tool=tool)
    return None


def _works(template: ToolTemplate, mark: str) -> bool:
    asked: list[Message] = [{"role": "user", "content": "hello"}]
    bare = _rendered(template, asked, tools=False)
    given = json.dumps({"sql": f"SELECT '{mark}_said' AS \"a b\""})
    call = {"function": {"name": mark, "arguments": given}}
    told: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": json.dumps({"rows": [[f"{mark}_result"]]})},
    ]
    prompt = _rendered(template, asked)
    if prompt == bare or mark not in prompt:
        return False
    conversation = template.messages(asked, told)[1:]
    said = _rendered(template, conversation[:-1], asks=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(prompt, said, strict=False)))
    _, found = template.read(said[same:], prompt)
    read = [(one.name, json.loads(one.arguments)) for one in found]
    return read == [(mark, json.loads(given))] and f"{mark}_result" in _rendered(template, conversation)


def _rendered(template: ToolTemplate, messages: Sequence[Any], *, tools: bool = True, asks: bool = True) -> str:
    more = {"tools": [template.tool.spec]} if tools else {}
    text = template.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=asks, **more)
    return str(text)
