"""The difference of two texts, word by word, for a reader who decides. Pure; knows nothing of pages or examples."""

import re
from difflib import SequenceMatcher
from typing import Literal

from flywheel.words.catalogue import say

Op = Literal["same", "removed", "added", "cut"]
Part = tuple[Op, str]

WORDS = 3000
# With more words than this the frequent ones no longer start a match: the comparison is cubic in repeated words.
FEW = 300
# A word carries the white space before it: the parts then join to the whole texts, and what is added at the end
# leaves the word that was the last alone.
_WORD = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")


def word_diff(old: str, new: str) -> list[Part]:
    """The parts of both texts in reading order.

    The `same` and `removed` parts join to `old`, the `same` and `added` ones to `new`. Beyond the first 3,000 words
    that differ nothing is compared: the rest of both texts stands as removed and added, after one `cut` part that says
    so in words.
    """
    a, b = _WORD.findall(old), _WORD.findall(new)
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    a_rest, b_rest = a[head : len(a) - tail], b[head : len(b) - tail]
    parts: list[Part] = [("same", "".join(a[:head]))]
    parts += _compared(a_rest[:WORDS], b_rest[:WORDS])
    a_over, b_over = "".join(a_rest[WORDS:]), "".join(b_rest[WORDS:])
    if a_over or b_over:
        parts.append(("cut", say("difference.only_first", count=f"{WORDS:,}")))
        parts += [("removed", a_over), ("added", b_over)]
    parts.append(("same", "".join(a[len(a) - tail :])))
    return [part for part in parts if part[1]]


def _compared(a: list[str], b: list[str]) -> list[Part]:
    # The matcher spares itself the frequent words of its second text alone: the longer one stands there.
    swapped = len(a) > len(b)
    short, long = (b, a) if swapped else (a, b)
    parts: list[Part] = []
    for op, i, j, k, end in SequenceMatcher(None, short, long, autojunk=len(long) > FEW).get_opcodes():
        one, other = "".join(short[i:j]), "".join(long[k:end])
        if op == "equal":
            parts.append(("same", one))
        else:
            parts += [("removed", other if swapped else one), ("added", one if swapped else other)]
    return parts


def _common(a: list[str], b: list[str]) -> int:
    """How many words both begin with."""
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return place
    return min(len(a), len(b))
