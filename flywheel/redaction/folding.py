"""A text as the patterns read it: invisible characters gone, wide letters and foreign digits as plain ones.

Every character of the folded text knows where it stood, so that what is found has offsets in the text as it came.
Pure; knows no pattern.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_ESCAPE = re.compile(r'\\u([0-9a-fA-F]{4})|\\(["\\/bfnrt])')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Not of the category of format characters, and yet shown as nothing.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u3164\uffa0\u180b\u180c\u180d\u180f")
# Thai, Lao, Burmese, Khmer, kana, Han and Hangul: a number or address stands beside such letters without a blank.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_SAME_LETTER = ("<wide>", "<narrow>", "<font>", "<small>")
"""Compatibility forms that are the same letter in another width or face; superscripts and fractions are not."""


@dataclass(frozen=True)
class Folded:
    """The text to search, and where each of its characters begins and ends in the text as it came."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @property
    def spaced(self) -> str:
        """The text with every letter of a script without blanks as a sign that ends words; places stay."""
        return self.text if self.text.isascii() else _UNSPACED.sub("\u3001", self.text)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where the part from `start` to `end` stood; the part is not empty."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str, escaped: Sequence[tuple[int, int]] = ()) -> Folded:
    """`text` for searching. `escaped` are the parts that are JSON, whose escapes (`\\n`, `\\u0040`) are read."""
    escapes = [found for start, end in escaped for found in _ESCAPE.finditer(text, start, end)]
    if not escapes and not _BEYOND_ASCII.search(text):
        return Folded(text, range(len(text)), range(1, len(text) + 1))
    made: list[str] = []
    starts: list[int] = []
    ends: list[int] = []

    def put(plain: str, start: int, end: int) -> None:
        made.append(plain)
        starts.extend([start] * len(plain))
        ends.extend([end] * len(plain))

    at = 0
    for found in [*escapes, None]:
        until = found.start() if found else len(text)
        for i in range(at, until):
            put(_plain(text[i]), i, i + 1)
        if found:
            code, short = found.groups()
            char = chr(int(code, 16)) if code else _ESCAPED.get(short, short)
            put(_plain(char), found.start(), found.end())
            at = found.end()
    return Folded("".join(made), starts, ends)


@cache
def _plain(char: str) -> str:
    """One character as the patterns read it; empty for one that is not seen."""
    if char < "\x80":
        return char
    category = unicodedata.category(char)
    if category == "Cf" or char in _INVISIBLE or "\ufe00" <= char <= "\ufe0f":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Zs":
        return " "
    if category == "Pd" or char == "\u2212":
        return "-"
    kind, _, code = unicodedata.decomposition(char).partition(" ")
    return chr(int(code, 16)) if kind in _SAME_LETTER and " " not in code else char
