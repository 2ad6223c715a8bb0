"""Fresh questions with their answers, drawn from all families: what the starter is trained and measured on.

Owns the split: `held_out=False` never yields a wording that `grammar.is_held_out` keeps back nor a name from the
sample database; `held_out=True` yields only such wordings, with such names.
"""

import json
import random
import re
from dataclasses import dataclass
from functools import lru_cache

from starter import paths, phrases, slots
from starter.family import Family, load
from starter.grammar import MARKER, add_typo, expand, is_held_out

FAMILIES: tuple[Family, ...] = load()
REFUSALS: tuple[str, ...] = tuple(dict.fromkeys(family.answer for family in FAMILIES if family.talk))
"""Every sentence the starter is taught to answer with instead of SQL."""
TALK_SHARE = 0.13
TYPO_RATE = 0.05
LOWER_RATE = 0.18
FRONT_RATE = 0.1
FRONTABLE = ("takings", "sales", "when", "sold_when")
"""Heads that may stand before the question: "in 2024, how much did we make"."""
MAX_TRIES = 60
ODD_RATE = 0.1
ODD_PLACE = re.compile(r"\b(?=(orders|purchases|customers|clients|buyers|employees)\b)")
ODD_WORDS = ("{odd} ", "{odd} ", "{odd} {odd_s} ", "{odd}-{odd_s} ")
"""Words before a noun that mean nothing to the starter: it learns to pass over them, not to take them for names."""
CONTRACTION_RATE = 0.25
CONTRACTIONS = {
    "what is ": "what's ",
    "who is ": "who's ",
    "where is ": "where's ",
    "do not ": "don't ",
    "did not ": "didn't ",
    "were not ": "weren't ",
    "are not ": "aren't ",
}
BEFORE = (
    *[""] * 16,
    *("please ", "can you tell me ", "could you tell me ", "tell me ", "please tell me ", "i want to know ", "hey, "),
    *("hi, ", "hello, ", "i would like to know ", "quick question: ", "so ", "and ", "ok, ", "do you know "),
)
AFTER = ("?", "?", "?", "?", "?", "", "", "", "", ".", " please", " please?", "??", " thanks", "!", " ?")


@dataclass(frozen=True)
class Item:
    """One question and its answer (a bare SQL statement or a sentence), and the family both come from."""

    family: str
    question: str
    answer: str
    talk: bool


def sample(rng: random.Random, held_out: bool = False, family: Family | None = None) -> Item | None:
    """One fresh item, of `family` or of any; None when that family has no wording on the asked side."""
    for _ in range(MAX_TRIES):
        chosen = family or _choose(rng)
        skeleton, answer = _skeleton(chosen, rng)
        if is_held_out(skeleton) != held_out:
            continue
        if not held_out and not chosen.talk and rng.random() < ODD_RATE:
            skeleton = ODD_PLACE.sub(rng.choice(ODD_WORDS), skeleton, count=1)
        item = _filled(chosen, skeleton, answer, rng, held_out)
        if normal(item.question) not in (_handwritten() if held_out else _kept_back()):
            return item
    return None


def normal(question: str) -> str:
    """Letters and digits alone: two questions that are the same in this form are one."""
    return " ".join(re.findall(r"[a-z0-9]+", question.lower()))


@lru_cache(maxsize=1)
def _handwritten() -> frozenset[str]:
    """What people wrote to test with: never drawn, on neither side."""
    files = (paths.HANDWRITTEN_DEV_FILE, paths.HANDWRITTEN_EARLY_FILE, paths.HANDWRITTEN_TEST_FILE)
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return frozenset(normal(json.loads(line)["question"]) for line in lines)


@lru_cache(maxsize=1)
def _kept_back() -> frozenset[str]:
    """What training must not see even where two wordings meet in the same words: the above and the general suite."""
    lines = paths.GENERAL_FILE.read_text(encoding="utf-8").splitlines() if paths.GENERAL_FILE.exists() else []
    return _handwritten() | {normal(json.loads(line)["prompt"][0]["content"]) for line in lines}


def stream(rng: random.Random, held_out: bool = False) -> list[Item]:
    """A hundred fresh items of any family."""
    items = [sample(rng, held_out) for _ in range(100)]
    return [item for item in items if item is not None]


def _choose(rng: random.Random) -> Family:
    pool = _TALK if rng.random() < TALK_SHARE else _DATA
    return rng.choices(pool, [family.weight for family in pool])[0]


_TALK = [family for family in FAMILIES if family.talk]
_DATA = [family for family in FAMILIES if not family.talk]


def _skeleton(family: Family, rng: random.Random) -> tuple[str, str]:
    question, answer = family.question, family.answer
    if family.head:
        head = phrases.HEADS[family.head](rng)
        question = question.replace("{head}", head.text)
        answer = re.sub(r"\{from(?::([\w,]+))?\}", lambda m: head.sql_from(*(m[1].split(",") if m[1] else ())), answer)
        answer = answer.replace("{where}", head.sql_where())
        answer = answer.replace("{and}", "".join(f" AND {where}" for where in head.wheres))
        if family.head in FRONTABLE and head.text and rng.random() < FRONT_RATE:
            question = f"{head.text}, {family.question.replace('{head}', '')}"
    return expand(question, rng), answer


def _filled(family: Family, skeleton: str, answer: str, rng: random.Random, held_out: bool) -> Item:
    markers = list(dict.fromkeys(found.group() for found in MARKER.finditer(skeleton + answer)))
    values = _values(markers, rng, held_out)
    if rng.random() < TYPO_RATE:
        skeleton = add_typo(skeleton, rng)
    lower = rng.random() < LOWER_RATE
    question = skeleton
    for marker, value in values.items():
        question = question.replace(marker, value.text)
        sql = value.sql.lower() if lower and value.copied else value.sql
        answer = answer if family.talk else answer.replace(marker, sql)
    return Item(family.key, _dressed(question, lower, family.talk, rng), answer, family.talk)


def _values(markers: list[str], rng: random.Random, held_out: bool) -> dict[str, slots.Value]:
    """A value per marker; markers that differ only in a leading 1 or 2 get different values in ascending order."""
    values: dict[str, slots.Value] = {}
    pairs: dict[tuple[str, str], list[str]] = {}
    for marker in markers:
        found = MARKER.fullmatch(marker)
        assert found is not None
        kind, rest = found[1], found[2] or ""
        values[marker] = slots.draw(kind, rng, held_out)
        if rest[:1] in ("1", "2"):
            pairs.setdefault((kind, rest[1:]), []).append(marker)
    for (kind, _), both in pairs.items():
        while len({values[marker].sql for marker in both}) < len(both):
            values[both[0]] = slots.draw(kind, rng, held_out)
        if kind not in ("status", "city", "brand"):
            ordered = sorted((values[marker] for marker in both), key=_size)
            values.update(zip(sorted(both), ordered, strict=True))
    return values


def _size(value: slots.Value) -> tuple[float, str]:
    return (float(value.sql), "") if value.sql.isdigit() else (0.0, value.sql)


def _dressed(question: str, lower: bool, talk: bool, rng: random.Random) -> str:
    for long, short in CONTRACTIONS.items():
        if rng.random() < CONTRACTION_RATE:
            question = question.replace(long, short)
    if not talk or rng.random() < 0.2:
        question = rng.choice(BEFORE) + question
    if not lower and rng.random() < 0.75:
        question = question[0].upper() + question[1:]
    question = question.lower() if lower else question
    return question + rng.choice(AFTER)
