"""The head of a column that nobody named: a database calls it by its expression, people by what it is.

Pure. A name that somebody gave stays as it is; what is stored and downloaded keeps the database's own names.
"""

import re

from flywheel.words.catalogue import say

_COUNT = re.compile(r"count(?:_star)?\((?:\*|\d+)?\)", re.IGNORECASE)
_OF = re.compile(r'(count|sum|avg|mean|min|max|median)\((distinct )?"?(\w[\w .]*?)"?\)', re.IGNORECASE)
_PART = re.compile(r'"?(year|quarter|month|week|day|hour)"?\("?(\w[\w .]*?)"?\)', re.IGNORECASE)
_ROUNDED = re.compile(r"(?:round|CAST)\((.+?)(?:, \d+| AS [\w(), ]+)\)", re.IGNORECASE)


def head(name: str) -> str:
    """`count_star()` → `count`, `sum(amount)` → `sum of amount`; any other name is its own head."""
    if rounded := _ROUNDED.fullmatch(name):
        inner = head(rounded[1])
        return inner if inner != rounded[1] else name
    if _COUNT.fullmatch(name):
        return say("head.count")
    if found := _OF.fullmatch(name):
        kind = "average" if found[1].lower() in ("avg", "mean") else found[1].lower()
        return say(f"head.{'distinct' if found[2] and kind == 'count' else kind}_of", column=found[3])
    if part := _PART.fullmatch(name):
        return say(f"head.{part[1].lower()}_of", column=part[2])
    return name
