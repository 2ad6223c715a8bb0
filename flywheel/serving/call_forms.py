"""Calls of tools in the text that a model writes, in the forms that open models were taught. Pure.

Hermes, Qwen, SmolLM3: `<tool_call>` around an object or, in later ones, around tags. Mistral: `[TOOL_CALLS]` before a
list or a name. Llama 3: the object alone, perhaps after `<|python_tag|>`. A call that was cut or is no JSON is found
all the same, with its arguments as they stand there, so that the model can be told.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from flywheel.serving.tool_calls import MOST_ARGUMENTS, MOST_CALLS, Call

_READER = json.JSONDecoder(strict=False)
"""Models write line breaks into texts as they are."""
_NAME = re.compile(r'"(?:name|function)"\s*:\s*"([^"\n]{1,100})"')
_BARE = re.compile(r'\s*(?:<\|python_tag\|>\s*)?(?:```(?:json)?\s*)?(?=\[?\s*\{\s*"(?:name|type|function)"\s*:)')
_GIVEN = re.compile(r'"(?:arguments|parameters)"\s*:')
_TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"\s*<function=([^>\n]{1,100})>(.*)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]{1,100})>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)
_NAMED = re.compile(r"\s*([\w.-]{1,100})(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*(?=\{)")
MISTRAL = "[TOOL_CALLS]"


def calls_in(text: str) -> tuple[str, list[Call]]:
    """The words before the first call, and the calls, 8 at most; without a call all of the text."""
    if "<tool_call>" in text:
        words, _, _ = text.partition("<tool_call>")
        found = [_tagged(body) for body in _TAGGED.findall(text)[:MOST_CALLS]]
    elif MISTRAL in text:
        words, *parts = text.split(MISTRAL)
        found = [call for part in parts for call in _after_mark(part)]
    elif (bare := _BARE.match(text)) and _GIVEN.search(text):
        words, found = "", list(_objects(text[bare.end() :]))
    else:
        found = []
    return (words.strip(), found[:MOST_CALLS]) if found else (text, [])


def _tagged(body: str) -> Call:
    if named := _FUNCTION.match(body):
        given = {name.strip(): value for name, value in _PARAMETER.findall(named[2])}
        return _call(named[1].strip(), given)
    return next(_objects(body.strip()), Call("", "", body[:MOST_ARGUMENTS]))


def _after_mark(part: str) -> Iterator[Call]:
    if named := _NAMED.match(part):
        given, _ = _value(part[named.end() :])
        yield _call(named[1], part[named.end() :].strip() if given is None else given)
    else:
        yield from _objects(part.strip())


def _objects(text: str) -> Iterator[Call]:
    """The call or calls of a text that begins with an object, or with a list of them."""
    value, rest = _value(text)
    if value is None and text:
        named = _NAME.search(text)
        yield Call("", named[1] if named else "", text[:MOST_ARGUMENTS])
        return
    for given in value if isinstance(value, list) else [value]:
        if isinstance(given, dict):
            yield _of_object(given)
    if rest.startswith(";"):
        # Several calls of Llama 3 stand behind one another.
        yield from _objects(rest[1:].strip())


def _of_object(given: dict[str, Any]) -> Call:
    inner = given["function"] if isinstance(given.get("function"), dict) else given
    name = inner.get("name", inner.get("function"))
    arguments: Any = next((inner[key] for key in ("arguments", "parameters") if key in inner), {})
    return _call(name if isinstance(name, str) else "", arguments)


def _call(name: str, arguments: Any) -> Call:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call("", name, written[:MOST_ARGUMENTS])


def _value(text: str) -> tuple[Any, str]:
    """The JSON value that a text begins with, and what follows it; None where it is none."""
    try:
        value, end = _READER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, ""
    return value, text[end:].strip()
