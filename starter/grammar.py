"""The bracket grammar `[a|b|]` with `{slot}` markers: expansion, typing noise, hold-out by hash.

Knows nothing about bikes or SQL. A *skeleton* is an expansion whose slots are still markers; whether a skeleton is
held out of training depends on its letters alone, so the same wording is on the same side in every run.
"""

import hashlib
import random
import re

HELD_OUT_ONE_IN = 8
MARKER = re.compile(r"\{([a-z]+)([0-9_]\w*)?\}")


def expand(grammar: str, rng: random.Random) -> str:
    """One random expansion of `grammar`, markers untouched. Raises ValueError when brackets do not match."""
    text, rest = _sequence(grammar, 0, rng)
    if rest != len(grammar):
        raise ValueError(f"`{grammar}` has a closing bracket too many at {rest}. Remove it.")
    return re.sub(r" +", " ", text).strip()


def _sequence(grammar: str, at: int, rng: random.Random) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(grammar) and grammar[at] not in "|]":
        if grammar[at] == "[":
            piece, at = _choice(grammar, at + 1, rng)
            parts.append(piece)
        else:
            parts.append(grammar[at])
            at += 1
    return "".join(parts), at


def _choice(grammar: str, at: int, rng: random.Random) -> tuple[str, int]:
    options: list[str] = []
    while True:
        option, at = _sequence(grammar, at, rng)
        options.append(option)
        if at >= len(grammar):
            raise ValueError(f"`{grammar}` has an opening bracket without its closing one. Add it.")
        at += 1
        if grammar[at - 1] == "]":
            return rng.choice(options), at


def words(grammar: str) -> set[str]:
    """Every lower-case word that an expansion can contain outside of its slots."""
    return set(re.findall(r"[a-z]+", MARKER.sub(" ", grammar).lower()))


def is_held_out(skeleton: str) -> bool:
    """True for the one skeleton in `HELD_OUT_ONE_IN` that training never sees."""
    letters = re.sub(r"[^a-z{}]+", " ", MARKER.sub(r"{\1}", skeleton).lower()).strip()
    return hashlib.sha256(letters.encode()).digest()[0] % HELD_OUT_ONE_IN == 0


def add_typo(skeleton: str, rng: random.Random) -> str:
    """`skeleton` with one letter of one longer word dropped, doubled or swapped; slots stay as they are."""
    places = [m for m in re.finditer(r"[a-z]{5,}", skeleton) if not _inside_marker(skeleton, m.start())]
    if not places:
        return skeleton
    found = rng.choice(places)
    word, spot = found.group(), rng.randrange(1, len(found.group()) - 1)
    changed = rng.choice(
        (
            word[:spot] + word[spot + 1 :],
            word[:spot] + word[spot] + word[spot:],
            word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :],
        )
    )
    return skeleton[: found.start()] + changed + skeleton[found.end() :]


def _inside_marker(skeleton: str, at: int) -> bool:
    return skeleton.rfind("{", 0, at) > skeleton.rfind("}", 0, at)
