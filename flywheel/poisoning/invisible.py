"""Text that a reader does not see, or takes for another: invisible characters, turned directions, look-alike letters.

Such text can carry a trigger past every reviewer. What writing needs (joiners of emoji and of Indic and Arabic scripts,
marks of direction beside right-to-left letters, one variation selector after a sign) is left alone. Pure.
"""

import re
import unicodedata

from flywheel.words.catalogue import say

_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
"""Scotland's flag and its like are spelt with tag characters."""
_WORD = re.compile(r"[^\W\d_]+")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_JOINERS, _DIRECTIONS = frozenset("\u200c\u200d"), frozenset("\u200e\u200f\u061c")
_LOOK_ALIKE = frozenset("аеорсухіјѕһԁԛԝкмтвнАВЕКМНОРСТУХІЈЅ" + "οΟΑΒΕΖΗΙΚΜΝΡΤΥΧ")
"""Cyrillic and Greek letters that are drawn like Latin ones."""


def hidden(text: str) -> str | None:
    """What of the text is not what it looks like, in words without a full stop; None when all of it is."""
    if text.isascii() and text.isprintable():
        return None
    plain = _FLAG.sub("", text)
    for at, char in enumerate(plain):
        if (char >= "\x7f" or char < " ") and _unseen(plain, at):
            return say("poison.invisible", code=f"{ord(char):04X}")
    for word in _WORD.finditer(plain):
        mixed = next((char for char in word.group() if char in _LOOK_ALIKE), None)
        if mixed and any(_latin(char) for char in word.group()):
            return say("poison.two_scripts", code=f"{ord(mixed):04X}")
    return None


def _unseen(text: str, at: int) -> bool:
    char, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    category = unicodedata.category(char)
    if category == "Cc":
        return char not in "\t\n\r"
    if char in _FILLERS:
        return True
    if char in _JOINERS:
        return not (_joins(before) and _joins(after) if char == "\u200d" else _joins(before) or _joins(after))
    if char in _DIRECTIONS:
        return not _RTL.search(text)
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f":
        # One of them picks the form of the sign before it; a row of them spells a message.
        return not before or _is_selector(before) or before.isspace() or _latin(before)
    return category == "Cf" and char not in _VISIBLE_FORMATS


def _joins(char: str) -> bool:
    """A sign that is joined with others: emoji and their modifiers, letters beyond the European scripts."""
    if not char:
        return False
    category = unicodedata.category(char)
    return (
        category in ("So", "Sk")
        or _is_selector(char)
        or (category[0] in "LM" and char >= "\u0590" and not _latin(char))
    )


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _latin(char: str) -> bool:
    return char.isalpha() and unicodedata.name(char, "").startswith("LATIN")
