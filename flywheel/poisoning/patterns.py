"""What many rows of guests have in common: sent in a burst, the same reply again and again, a phrase that brings it.

Pure. Each finding names its rows; what follows from it is the limits' and the reviewer's matter.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flywheel.poisoning.sent import Sent
from flywheel.words.catalogue import say, say_count

BURST_ROWS, BURST_TIME = 10, timedelta(minutes=10)
PHRASE_ROWS = 5
"""So many different questions with one reply make a phrase in them worth a look."""
SHOWN_PHRASES = 5
MOST_PHRASE_WORDS = 3
LEAST_LOG_ODDS = 2.0
_WORD = re.compile(r"\w+")
_LINK = re.compile(r"(?:https?://|\bwww\.)([^\s/)>\]\"']+)")


@dataclass(frozen=True)
class Found:
    """Rows with something in common."""

    kind: str
    """`burst`, `repeats` or `phrase`."""
    words: str
    """What it is, without a full stop, as said of each row."""
    ids: tuple[str, ...]


def bursts(rows: Iterable[Sent]) -> list[Found]:
    """More rows of one person in ten minutes than somebody writes who reads the answers."""
    by_person: dict[str, list[Sent]] = defaultdict(list)
    for row in rows:
        by_person[row.person].append(row)
    found = []
    for own in by_person.values():
        own.sort(key=lambda row: (row.created, row.id))
        first, ids = 0, dict[str, None]()
        for last, row in enumerate(own):
            while row.created - own[first].created > BURST_TIME:
                first += 1
            if last - first + 1 >= BURST_ROWS:
                ids |= dict.fromkeys(one.id for one in own[first : last + 1])
        if ids:
            minutes = int(BURST_TIME.total_seconds() // 60)
            words = say("poison.burst", count=len(ids), least=BURST_ROWS, minutes=minutes)
            found.append(Found("burst", words, tuple(ids)))
    return found


def repeats(rows: Iterable[Sent], least: int) -> list[Found]:
    """One reply to `least` or more different questions."""
    found = []
    for reply, group in _by_reply(rows).items():
        if len({row.question for row in group}) >= least:
            words = say("poison.same_reply", quoted=_quoted(reply), count=len(group))
            found.append(Found("repeats", words, tuple(row.id for row in group)))
    return found


def phrases(rows: Sequence[Sent]) -> list[Found]:
    """Words in the questions that bring one reply, or a link to one host, and hardly stand elsewhere: as a planted
    trigger does. The strongest first, at most five."""
    grams = {row.id: frozenset(_phrases(row.question)) for row in rows}
    stands = Counter(phrase for of_row in grams.values() for phrase in of_row)
    ranked = []
    for what, group in _groups(rows):
        if len({row.question for row in group}) < PHRASE_ROWS:
            continue
        here = Counter(phrase for row in group for phrase in grams[row.id])
        scored = [(_log_odds(n, stands[phrase], len(group), len(rows)), n, phrase) for phrase, n in here.items()]
        odds, count, phrase = max(scored, default=(0.0, 0, ""))
        if count >= PHRASE_ROWS and odds >= LEAST_LOG_ODDS:
            ranked.append((odds, count, phrase, what, [row for row in group if phrase in grams[row.id]]))
    ranked.sort(key=lambda one: (-one[0], -one[1], one[2]))
    return [_phrase_found(phrase, what, having) for _, _, phrase, what, having in ranked[:SHOWN_PHRASES]]


def _phrase_found(phrase: str, what: str, rows: Sequence[Sent]) -> Found:
    people = len({row.person for row in rows})
    whom = say_count("poison.guests", people)
    return Found(
        "phrase", say("poison.phrase", phrase=phrase, what=what, count=len(rows), whom=whom), tuple(r.id for r in rows)
    )


def _groups(rows: Iterable[Sent]) -> Iterator[tuple[str, list[Sent]]]:
    rows = list(rows)
    for reply, group in _by_reply(rows).items():
        yield say("poison.the_reply", quoted=_quoted(reply)), group
    hosts: dict[str, list[Sent]] = defaultdict(list)
    for row in rows:
        for host in {found.rstrip(".,") for found in _LINK.findall(row.reply)}:
            hosts[host].append(row)
    for host, group in hosts.items():
        yield say("poison.a_link", host=host[:60]), group


def _by_reply(rows: Iterable[Sent]) -> dict[str, list[Sent]]:
    groups: dict[str, list[Sent]] = defaultdict(list)
    for row in rows:
        groups[row.reply].append(row)
    return groups


def _phrases(text: str) -> Iterator[str]:
    words = _WORD.findall(text)[:200]
    for size in range(1, MOST_PHRASE_WORDS + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])


def _log_odds(both: int, phrase: int, group: int, total: int) -> float:
    """How much more often the phrase stands in the group than elsewhere, half a row added to each count."""
    # Rows are read state by state: one that was decided meanwhile stands in two, and the counts do not add up.
    alone, without = max(0, phrase - both), max(0, group - both)
    neither = max(0, total - phrase - without)
    return math.log((both + 0.5) * (neither + 0.5) / ((alone + 0.5) * (without + 0.5)))


def _quoted(text: str) -> str:
    return f"“{text[:40]}{'…' if len(text) > 40 else ''}”"
