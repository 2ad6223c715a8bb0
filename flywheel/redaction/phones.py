"""Telephone numbers: international ones, national ones in their usual groups, others only where words say so.

Pure. Works on folded text. Dates, amounts, order numbers and plain numbers of SQL are left alone.
"""

import re
from collections.abc import Iterator

from flywheel.redaction.numbers import Find, named_otherwise

_BETWEEN = r"(?:[ ./-]\(?|\(|\)[ ./-]?)?"
"""Between two digits of a number; each text can be read in one way only."""
_INTERNATIONAL = re.compile(
    rf"(?<![A-Za-z_+])\+\(?\d(?:{_BETWEEN}\d){{7,14}}(?!\d)(?:[ ]?(?:x|ext\.?)[ ]?\d{{1,5}}\b)?"
)
_DOUBLE_ZERO = re.compile(rf"(?<![\w.,:/+-])00(?=[1-9])(?:{_BETWEEN}\d){{8,15}}(?!\w)(?![.,:]\d)")
_TRUNK = re.compile(r"(?<![\w.,:/+-])\(?0[1-9]\d{0,4}\)?(?:[ /-]{1,3}\d{2,9}){1,5}(?!\w)(?![.,:/-]\d)")
_PAIRS = re.compile(r"(?<![\w.,])0[1-9](?:\.\d\d){4}(?!\w)(?!\.\d)")
_AMERICAN = re.compile(
    r"(?<![\w-])(?<!\d\.)(?:1[ .-])?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?!\w)(?![-.]\d)"
    r"(?:[ ](?:x|ext\.?)[ ]?\d{1,5}\b)?"
)
# Brazil and Russia, whose groups no other number has.
_BRACKETED = re.compile(
    r"(?<![\w+])(?:\([1-9]\d\)[ ]?9?\d{4}-\d{4}|[78][ -]?\([3489]\d\d\)[ -]?\d{3}[ -]?\d\d[ -]?\d\d"
    r"|8-[3489]\d\d-\d{3}-\d\d-\d\d)(?!\w)(?!-\d)"
)
_NAMED = re.compile(
    r"(?<![a-z])(?:(?:tele)?phone|tel|telefon|téléphone|mobile|mobil|handy|cell|fax|whatsapp|wa\.me/|sms|call|dial)"
    r"(?:[ _-]?(?:number|num|no|nr))?(?![a-z_])[\s:.#='\"(]{0,4}"
    r"(?:(?:me|us|him|her|them|at|on|is|was|under|in|like)[\s:.='\"(]{1,4}){0,3}"
    rf"(\+?\(?\d(?:{_BETWEEN}\d){{6,14}})(?!\w)(?![.,:]\d)",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ]\d|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d(?!\d)")
_UNASSIGNED = ("0", "28", "83", "89")


def phones(text: str) -> Iterator[Find]:
    """Telephone numbers of any of these forms."""
    for found in _INTERNATIONAL.finditer(text):
        end = _before_date(text, found.start(), found.end())
        if _assigned(_digits(text[found.start() : end])):
            yield found.start(), end, "PHONE"
    for found in _DOUBLE_ZERO.finditer(text):
        digits = _digits(found.group())
        grouped = len(digits) < len(found.group())
        if (grouped or len(digits) >= 13) and _assigned(digits[2:]) and not named_otherwise(text, found.start()):
            yield found.start(), found.end(), "PHONE"
    yield from _national(text)
    for found in _NAMED.finditer(text):
        if not _DATE.match(found.group(1)):
            yield found.start(1), found.end(1), "PHONE"


def _national(text: str) -> Iterator[Find]:
    for found in _TRUNK.finditer(text):
        fits = 9 <= len(_digits(found.group())) <= 12 and not _DATE.match(found.group().lstrip("("))
        if fits and not named_otherwise(text, found.start()):
            lonely = found.group().startswith("(") and ")" not in found.group()
            yield found.start() + lonely, found.end(), "PHONE"
    for pattern in (_PAIRS, _BRACKETED):
        for found in pattern.finditer(text):
            yield found.start(), found.end(), "PHONE"
    for found in _AMERICAN.finditer(text):
        groups = re.findall(r"\d+", found.group())
        # Three round numbers in a row are amounts.
        round_ones = all(group.endswith("0") for group in groups) and "(" not in found.group()
        if not round_ones and not named_otherwise(text, found.start()):
            yield found.start(), found.end(), "PHONE"


def _before_date(text: str, start: int, end: int) -> int:
    """A number may be followed by the day it was called."""
    date = _DATE.search(text, start + 6, end)
    return end if date is None else start + len(text[start : date.start()].rstrip(" ./()-"))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _assigned(digits: str) -> bool:
    """Whether a number with its country's code can exist: the code is given out, the length fits."""
    if digits[:1] in ("1", "7"):
        return len(digits) >= 11
    return not digits.startswith(_UNASSIGNED) and 9 <= len(digits) <= 20
