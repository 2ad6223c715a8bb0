"""The shop's own words, which the starter does not know: what people teach it, with example corrections and tests.

Corrections are what reviewers would type; the held-out phrasings are other wordings with other values. Neither is
ever seen in pre-training, no wording stands on both sides, and no question does.
"""

import random
from dataclasses import dataclass

from starter import paths, slots, wording
from starter.answers import Result, Shop
from starter.grammar import MARKER, expand
from starter.questions import normal

TRIES = 400
Wording = tuple[str, str]
"""Question in bracket grammar with slot markers, and the SQL that answers it with the same markers."""


@dataclass(frozen=True)
class Term:
    """A word of the shop: its key, what it means in one sentence, and wordings for either side."""

    key: str
    meaning: str
    corrections: tuple[Wording, ...]
    phrasings: tuple[Wording, ...]


def _term(key: str) -> Term:
    sides = {
        section.name: tuple((line.split(" => ")[0], line.split(" => ")[1]) for line in section.lines)
        for section in wording.read(key)
    }
    return Term(key, wording.meaning(key), sides["corrections"], sides["phrasings"])


TERMS: tuple[Term, ...] = tuple(_term(key) for key in paths.TERMS)


def examples(
    wordings: tuple[Wording, ...], count: int, rng: random.Random, shop: Shop, taken: set[str]
) -> list[Wording]:
    """`count` filled questions with SQL, going round the wordings: new to `taken` (which grows), with a result."""
    found: list[Wording] = []
    for turn in range(TRIES):
        question, sql = _filled(wordings[turn % len(wordings)], rng)
        if normal(question) not in taken and says_something(shop.result(sql)):
            taken.add(normal(question))
            found.append((question, sql))
        if len(found) == count:
            return found
    raise ValueError(f"{len(wordings)} wordings gave {len(found)} different questions of {count}. Add wordings.")


def says_something(result: Result | None) -> bool:
    """True for a result with a row that is not just nothing or zero."""
    return bool(result) and result not in ([(None,)], [(0,)])


def _filled(wording: Wording, rng: random.Random) -> Wording:
    question, sql = expand(wording[0], rng), wording[1]
    markers = sorted({found.group() for found in MARKER.finditer(question)})
    values = {marker: slots.draw(MARKER.fullmatch(marker)[1], rng, held_out=True) for marker in markers}  # type: ignore[index]
    days = [marker for marker in markers if marker.startswith("{day")]
    values.update(zip(days, sorted((values[day] for day in days), key=lambda value: value.sql), strict=True))
    for marker, value in values.items():
        question, sql = question.replace(marker, value.text), sql.replace(marker, value.sql)
    question = question[0].upper() + question[1:] if rng.random() < 0.5 else question
    return question, sql
