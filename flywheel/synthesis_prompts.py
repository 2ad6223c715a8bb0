"""What the teacher is asked for synthetic pairs, and how its answers are read.

The prompts are files that anyone may read; those of the same name in the home's folder `prompts` stand in their place.
Pure but for reading them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flywheel.errors import InvalidInput
from flywheel.words.catalogue import say
from storage.examples import Example
from storage.home import Home

SOURCES = ("rows", "documents", "schema")
NEEDED = {"rows": "{examples}", "documents": "{text}", "schema": "{tables}"}
FOLDER = Path(__file__).with_name("prompts")
MOST_PROMPT = 20_000
PIECE = 3_000
"""Characters of a document in one request."""
MOST_TEXT = 4_000
"""Characters of a question or an answer."""


@dataclass(frozen=True)
class Read:
    """What one answer of the teacher holds."""

    pairs: list[tuple[str, str]]
    broken: int
    """Entries that are no pair, and 1 for a list without its end."""


def prompt_of(home: Home, source: str, given: str | None = None) -> str:
    """The prompt: the one given, else the home's own, else the bundled one. Raises InvalidInput."""
    if source not in SOURCES:
        raise InvalidInput(say("error.synthesis.no_source", source=source[:40]))
    own = home.path / "prompts" / f"{source}.txt"
    try:
        path = own if own.exists() else FOLDER / f"{source}.txt"
        text = given if given and given.strip() else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(say("error.synthesis.prompt_unreadable", path=own, reason=error)) from error
    missing = [mark for mark in (NEEDED[source], "{count}") if mark not in text]
    if missing:
        raise InvalidInput(say("error.synthesis.no_mark", mark=missing[0]))
    if len(text) > MOST_PROMPT:
        raise InvalidInput(say("error.synthesis.prompt_too_long", count=f"{len(text):,}", most=f"{MOST_PROMPT:,}"))
    return text


def filled(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with its marks filled in; braces of anything else stay."""
    return re.sub(r"\{(\w+)\}", lambda mark: values.get(mark.group(1), mark.group()), prompt)


def as_examples(examples: Sequence[Example]) -> str:
    """Approved rows as the teacher reads them."""
    pairs = [{"question": e.prompt[-1]["content"], "answer": e.completion} for e in examples]
    return "\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs)


def pieces(text: str) -> list[str]:
    """A document in parts of at most PIECE characters, cut between paragraphs where there are some."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        for start in range(0, len(paragraph), PIECE):
            part = paragraph[start : start + PIECE].strip()
            if found and len(found[-1]) + len(part) + 2 <= PIECE:
                found[-1] = f"{found[-1]}\n\n{part}".strip()
            elif part:
                found.append(part)
    return found


def read_pairs(text: str) -> Read:
    """The pairs in an answer: of a list that broke off, those that are whole."""
    decoder, pairs, broken = json.JSONDecoder(), list[tuple[str, str]](), 0
    at = text.find("{")
    if at < 0:
        return Read([], 1)
    while at >= 0:
        try:
            entry, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return Read(pairs, broken + 1)
        pair = _pair(entry)
        if pair is None:
            broken += 1
        else:
            pairs.append(pair)
        at = text.find("{", end)
    return Read(pairs, broken)


def _pair(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, dict):
        return None
    question, answer = entry.get("question"), entry.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    if not 0 < len(question.strip()) <= MOST_TEXT or not 0 < len(answer.strip()) <= MOST_TEXT:
        return None
    return question.strip(), answer.strip()
