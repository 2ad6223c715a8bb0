"""Where in a text a find stands: in words, in JSON or in SQL, inside quotes or outside them.

A tag in the place of a number outside quotes would break JSON and SQL; there it is written as a text in quotes.
Pure; knows no pattern.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Language = Literal["words", "json", "sql"]

_FENCE = re.compile(r"```[^\n`]{0,40}\n?")
_SQL = re.compile(
    r"\s*+(?:\(\s*+)*+(?:SELECT|VALUES|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|CREATE\s+(?:OR\s+REPLACE\s+)?(?:TABLE|VIEW)"
    r"|WITH\s+(?:RECURSIVE\s+)?[\"\w]+\s*(?:\([^)]{0,500}\)\s*)?AS)\b",
    re.IGNORECASE,
)
_SQL_QUOTED = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z)|'[^']*+(?:''[^']*+)*+(?:'|\Z)|"[^"]*+(?:""[^"]*+)*+(?:"|\Z)|--[^\n]*+|/\*.*?(?:\*/|\Z)|\$\$.*?(?:\$\$|\Z)""",
    re.DOTALL,
)
_JSON_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER_SIGNS = frozenset("+-.0123456789eE")


@dataclass(frozen=True)
class Region:
    """A part of a text that is written in one language."""

    start: int
    end: int
    language: Language


def regions(text: str) -> list[Region]:
    """The parts of a text, in order: the text as a whole, or what stands in and between its ``` fences."""
    if "```" not in text:
        return [Region(0, len(text), _language(text))]
    made, at, inside = [], 0, False
    for fence in _FENCE.finditer(text):
        made.append(_region(text, at, fence.start(), inside))
        at, inside = fence.end(), not inside
    return [*made, _region(text, at, len(text), inside)]


def _region(text: str, start: int, end: int, fenced: bool) -> Region:
    return Region(start, end, _language(text[start:end]) if fenced else "words")


def _language(text: str) -> Language:
    if text.lstrip()[:1] in ("{", "[", '"') and _is_json(text):
        return "json"
    return "sql" if _SQL.match(text) else "words"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class Placing:
    """Fits finds into the text around them. Give it finds in any order."""

    def __init__(self, text: str, parts: Sequence[Region]) -> None:
        self._text = text
        self._parts = parts
        self._starts = [part.start for part in parts]
        self._quoted: dict[int, list[tuple[int, int]]] = {}

    def fit(self, start: int, end: int, code_like: bool) -> tuple[int, int, str]:
        """The part to replace, and the quotation mark its tag needs (or none).

        `code_like`: the find could be a number or a name in code, as an e-mail address could not.
        """
        index = max(0, bisect_right(self._starts, start) - 1)
        part = self._parts[index]
        if part.language == "words" or not code_like or self._in_quotes(index, start):
            return start, end, ""
        if part.language == "sql":
            return (start + 1 if self._text[start] == "+" else start), end, "'"
        while start > part.start and self._text[start - 1] in _NUMBER_SIGNS:
            start -= 1
        while end < part.end and self._text[end] in _NUMBER_SIGNS:
            end += 1
        return start, end, '"'

    def _in_quotes(self, index: int, at: int) -> bool:
        if index not in self._quoted:
            self._quoted[index] = list(_quoted(self._text, self._parts[index]))
        spans = self._quoted[index]
        found = bisect_right(spans, (at, len(self._text)))
        return found > 0 and spans[found - 1][0] <= at < spans[found - 1][1]


def _quoted(text: str, part: Region) -> Iterator[tuple[int, int]]:
    """Strings, quoted names and comments of a part, in order."""
    pattern = _JSON_QUOTED if part.language == "json" else _SQL_QUOTED
    # A part is cut out, so that \Z means its end.
    for found in pattern.finditer(text[part.start : part.end]):
        yield part.start + found.start(), part.start + found.end()
