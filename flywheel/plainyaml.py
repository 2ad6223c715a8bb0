"""Plain YAML: mappings, lists, texts, numbers, booleans. No tags, no aliases, no key twice, a bound on size and depth.

Owns how a damaged file is told: what is wrong, with line and column. Knows no schema.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from flywheel.errors import InvalidInput

MOST_BYTES = 65_536
DEEPEST = 10


class Unreadable(InvalidInput):
    """The file is no plain YAML; the message names it with line and column."""

    exit_code = 2


@dataclass(frozen=True)
class Document:
    """What a file holds, and on which line (from 1) each key stands: `outer` and `outer.inner`."""

    values: dict[str, Any]
    lines: dict[str, int]


def load(content: bytes, name: str) -> Document:
    """Read one mapping. Raises Unreadable, whose words begin with `name`; no value of the file is in them."""
    if len(content) > MOST_BYTES:
        raise Unreadable(f"{name} has {len(content)} bytes, more than {MOST_BYTES}. It is meant to be a short list.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{name} is no UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        is_mapping = isinstance(node, yaml.MappingNode)
        values = loader.construct_document(node) if is_mapping else {}
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = _where(before.count("\n"), len(before) - before.rfind("\n") - 1)
        raise Unreadable(f"{name} {where}: a character that YAML does not allow. Remove it.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _where(mark.line, mark.column) if mark else "cannot be read"
        raise Unreadable(f"{name} {where}: {error.problem or error.context}. Correct that line.") from error
    except ValueError as error:
        raise Unreadable(f"{name}: a number in it is too long to be one. Put it in quotes.") from error
    if not is_mapping:
        raise Unreadable(f"{name} holds no `key: value` lines. Start it with `title: ...`.")
    return Document(values, _lines(node))


def _where(line: int, column: int) -> str:
    return f"line {line + 1}, column {column + 1}"


def _lines(node: Any, before: str = "") -> dict[str, int]:
    lines = {}
    for key, value in node.value:
        lines[before + key.value] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            lines |= _lines(value, f"{before}{key.value}.")
    return lines


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader without what a short list of values never needs."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not read", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags (`!`) are not read", event.start_mark)
        if self.depth >= DEEPEST:
            raise yaml.composer.ComposerError(None, None, "this is nested too deeply", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be one word", key.start_mark)
            if key.value in seen:
                problem = f"the key `{key.value[:60]}` stands here a second time"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
            # `on:` and `1:` are keys like any other, not a boolean and a number.
            key.tag = "tag:yaml.org,2002:str"
        return dict(super().construct_mapping(node, deep=deep))


KINDS = ("bool", "int", "float", "null")
# No dates, no merge keys: `2026-01-01` and `<<` are text here.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag.rpartition(":")[2] in KINDS]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
