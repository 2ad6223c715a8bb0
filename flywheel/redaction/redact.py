"""Personal data and secrets in a text: where they stand, and the text with typed tags in their place.

Finds what has a form: e-mail, phone, card, bank account, IP, keys, passwords. Names and postal addresses have none and
are NOT found, unless the owner has something look for them (`use`). Knows nothing of examples or pages.

Redacting what was redacted changes nothing: what a first tag uncovers is searched again until nothing is found. Tags
leave JSON and SQL parseable. Offsets are code points of the text as it was given.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flywheel.redaction.addresses import addresses, emails, url_logins
from flywheel.redaction.contexts import Placing, Region, regions
from flywheel.redaction.credentials import secrets
from flywheel.redaction.folding import Folded, fold
from flywheel.redaction.numbers import Find, accounts, cards, social_security
from flywheel.redaction.phones import phones

TYPES = ("SECRET", "URL_LOGIN", "EMAIL", "IBAN", "CARD", "SSN", "PHONE", "IP", "MAC", "NAME", "PLACE")
_DETECTORS = (secrets, url_logins, emails, accounts, addresses)
_OF_DIGITS = (cards, social_security, phones)
_SHORTEST_NUMBER = 7
_DIGIT = re.compile(r"\d")
_TAG = re.compile(rf"\[(?:{'|'.join(TYPES)})\]")
_IN_CODE = frozenset(("SECRET", "IBAN", "CARD", "SSN", "PHONE"))
"""Types whose texts may stand in code as a number or a name, outside quotes."""
# Without one of these nothing of any type is there; most questions have none.
_ANYTHING = re.compile(
    r"\d[^A-Za-z]{0,3}\d|[@:=]|%40|[(\[{]at[)\]}]|[-_.]\w{10}|eyJ|A[KSBC][IC]A|AIza|pass|secret|token|--|sk-|xox|bearer|aws",
    re.IGNORECASE,
)


_names: Callable[[str], Sequence[Find]] | None = None


def use(names: Callable[[str], Sequence[Find]] | None) -> None:
    """From now on look for names and places, too, with this function over sentences; None: no more."""
    global _names
    _names = names


@dataclass(frozen=True)
class Span:
    """One find: code points `start` to `end` of the text, and what it is."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Redacted:
    """A text with tags, and what they stand for in the text that was given."""

    text: str
    spans: list[Span]


@dataclass(frozen=True)
class _Cut:
    span: Span
    tag: str


def find(text: str) -> list[Span]:
    """What would be redacted, in order, without overlaps."""
    return redact(text).spans


def redact(text: str) -> Redacted:
    """The text with `[TYPE]` in the place of each find. Redacting the result again changes nothing."""
    cuts: list[_Cut] = []
    made = text
    while found := _search(made):
        cuts = sorted([*cuts, *_in_original(found, cuts)], key=lambda cut: cut.span.start)
        made = _apply(text, cuts)
    return Redacted(made, [cut.span for cut in cuts])


def counts(spans: Iterable[Span]) -> dict[str, int]:
    """Type → how many, in the order of TYPES."""
    given = [span.type for span in spans]
    return {type: given.count(type) for type in TYPES if type in given}


def in_words(spans: Iterable[Span]) -> str:
    """`1 EMAIL, 2 PHONE`; never what was found."""
    return ", ".join(f"{number} {type}" for type, number in counts(spans).items())


def _search(text: str) -> list[_Cut]:
    """One pass: every detector, fitted into the text, the longest of what overlaps."""
    parts = regions(text)
    folded = fold(text, [(part.start, part.end) for part in parts if part.language == "json"])
    finds = [(*folded.origin(start, end), type) for start, end, type in _formed(folded)]
    finds += [found for part in parts if part.language == "words" for found in _named(text, part)]
    if not finds:
        return []
    placing = Placing(text, parts)
    tags = [(tag.start(), tag.end()) for tag in _TAG.finditer(text)]
    cuts = [_cut(text, placing, tags, found) for found in finds]
    return _resolved([cut for cut in cuts if cut])


def _formed(folded: Folded) -> Iterator[Find]:
    """What has a form."""
    text = folded.spaced
    if _ANYTHING.search(text):
        enough = len(_DIGIT.findall(text)) >= _SHORTEST_NUMBER
        for detector in _DETECTORS + (_OF_DIGITS if enough else ()):
            yield from detector(text)
        if text != folded.text:
            yield from _foreign(folded.text, list(emails(text)))


def _foreign(text: str, found: Sequence[Find]) -> Iterator[Find]:
    """E-mail addresses in letters of a script without blanks; where Latin letters alone are one, those are it."""
    for start, end, type in emails(text):
        if not any(start < other[1] and other[0] < end for other in found):
            yield start, end, type


def _named(text: str, part: Region) -> Iterator[Find]:
    """Names and places in a part of a text, where they are looked for; a tag is none."""
    found = _names(text[part.start : part.end]) if _names else ()
    return ((part.start + start, part.start + end, type) for start, end, type in found)


def _cut(text: str, placing: Placing, tags: Sequence[tuple[int, int]], found: Find) -> _Cut | None:
    start, end, type = found
    # What a tag stands for is gone already: a find ends where a tag begins.
    after = bisect_right(tags, (start, len(text)))
    if after and tags[after - 1][1] > start:
        return None
    if after < len(tags):
        end = min(end, tags[after][0])
    if not any(sign.isalnum() for sign in text[start:end]):
        return None
    start, end, quote = placing.fit(start, end, type in _IN_CODE)
    return _Cut(Span(start, end, type), f"{quote}[{type}]{quote}")


def _resolved(cuts: Sequence[_Cut]) -> list[_Cut]:
    """The longest first, then the earliest; what overlaps one of those is left out."""
    kept: list[_Cut] = []
    starts: list[int] = []
    for cut in sorted(cuts, key=lambda c: (c.span.start - c.span.end, c.span.start, TYPES.index(c.span.type))):
        at = bisect_left(starts, cut.span.start)
        before_ends = kept[at - 1].span.end if at else 0
        if before_ends <= cut.span.start and (at == len(kept) or cut.span.end <= starts[at]):
            kept.insert(at, cut)
            starts.insert(at, cut.span.start)
    return kept


def _in_original(found: Sequence[_Cut], cuts: Sequence[_Cut]) -> list[_Cut]:
    """Finds in the text with tags, at their place in the text as it was given; none of them touches a tag."""
    begins, shifts, shift = [], [], 0
    for cut in cuts:
        begins.append(cut.span.start + shift)
        shift += len(cut.tag) - (cut.span.end - cut.span.start)
        shifts.append(shift)
    moved = []
    for cut in found:
        at = bisect_right(begins, cut.span.start)
        by = shifts[at - 1] if at else 0
        moved.append(_Cut(Span(cut.span.start - by, cut.span.end - by, cut.span.type), cut.tag))
    return moved


def _apply(text: str, cuts: Sequence[_Cut]) -> str:
    parts, at = [], 0
    for cut in cuts:
        parts += [text[at : cut.span.start], cut.tag]
        at = cut.span.end
    return "".join([*parts, text[at:]])
