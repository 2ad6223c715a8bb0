"""What is in a dataset: counts, lengths, duplicates, refusals, languages, and what rows like these taught so far.

Pure: from rows and examples to a plain dictionary that is JSON. Holds ids and numbers, no text of anybody: the rows
that are shown with it are rendered when they are looked at, so that what is withdrawn is shown no more.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from flywheel.languages import languages
from flywheel.splitting import SIDES
from flywheel.tasks.statements import looks_like_sql
from flywheel.validity import Message, Rules, surely_within
from flywheel.words.below import is_said
from flywheel.words.catalogue import say, say_count
from storage.examples import Example
from trainers.job import Job

Report = dict[str, Any]
MEASURED = 5_000
"""Rows whose tokens are counted; of more, the first ones. They stand in the order of their hashes: by chance."""
RUN_TOKENS = Job.max_length
"""Tokens of a row that a run takes where nobody says otherwise."""
BINS = 8
MOST_KINDS = 12
REFUSING = re.compile(
    r"^\W*(?:(?:i['’]?m|i am)\s+)?(?:very\s+)?(?:sorry|afraid|unable to)\b|"
    r"^\W*i\s+(?:can(?:['’]t|not)|can only|do not|don['’]t|won['’]t)\b|^\W*(?:leider|désolé|lo siento|mi dispiace)\b",
    re.IGNORECASE,
)
VALUES = re.compile(r"`[^`]*`|“[^”]*”|\d[\d,.]*")


class Frozen(Protocol):
    """A row as it will be frozen, or was."""

    @property
    def example_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def group_key(self) -> str: ...
    @property
    def prompt(self) -> list[Message]: ...
    @property
    def completion(self) -> str: ...
    @property
    def provenance(self) -> str: ...


def report_of(
    rows: Sequence[Frozen],
    refused: Mapping[str, str],
    examples: Mapping[str, Example],
    rules: Rules,
    learnt: Sequence[Mapping[str, Any]],
    tags: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """The report on `rows` and on what was left out (example → reason). `examples` are those that the rows came from,
    as far as they are known; `learnt` is what earlier versions gained; `tags` gives an example's."""
    known = [examples[row.example_id] for row in rows if row.example_id in examples]
    wrong = sum(bool(e.answer and e.answer.strip() and e.answer.strip() != e.completion.strip()) for e in known)
    statements = sum(looks_like_sql(row.completion) for row in rows)
    return {
        "rows": {"all": len(rows)} | {side: sum(row.side == side for row in rows) for side in SIDES},
        "provenance": _counts(row.provenance for row in rows),
        "tags": _counts(tag for row in rows for tag in (tags or {}).get(row.example_id, ())),
        "reviewers": _counts(_short(example.decided_by or example.created_by) for example in known),
        "lengths": _lengths(rows, refused, rules),
        "duplicates": _duplicates(rows, refused),
        "left_out": _kinds(refused.values()),
        "answers": {
            "statements": statements,
            "words": len(rows) - statements,
            "refusals": sum(bool(REFUSING.search(row.completion)) for row in rows),
        },
        "labels": {"right": len(rows), "wrong": wrong},
        "languages": languages(_asked(row) for row in rows),
        "language_method": say("report.language_method"),
        "learnt": [dict(entry) for entry in learnt],
    }


def by_id(examples: Iterable[Example]) -> dict[str, Example]:
    """Id → example."""
    return {example.id: example for example in examples}


def samples(rows: Sequence[Frozen], rules: Rules, count: int = 3) -> list[dict[str, Any]]:
    """A short, a middling and a long row as they are rendered: runs of text, each with whether it is trained.

    Nothing where the tokenizer is elsewhere.
    """
    if rules.texts is None:
        return []
    train = sorted((row for row in rows if row.side == "train"), key=lambda row: len(row.completion))
    picked = {min(len(train) - 1, len(train) * part // (count + 1)) for part in range(1, count + 1)} if train else set()
    shown = []
    for row in (train[at] for at in sorted(picked)):
        tokens = [[text, trained] for text, trained in rules.texts.pieces(row.prompt, row.completion)]
        shown.append({"example_id": row.example_id, "tokens": tokens, "trained": sum(bool(t) for _, t in tokens)})
    return shown


def longer_than_a_run(rows: Sequence[Frozen], rules: Rules) -> list[str]:
    """That some rows are longer than what a run takes unless it is told otherwise, and what to tell it; or nothing."""
    learnt = [row for row in rows if row.side != "test"]
    near = [row for row in learnt if not surely_within(RUN_TOKENS, row.prompt, row.completion, rules)]
    lengths = [] if rules.count is None else [rules.count(row.prompt, row.completion) for row in near]
    long = [length for length in lengths if length > RUN_TOKENS]
    if not long:
        return []
    return [say_count("report.longer_than_run", len(long), limit=RUN_TOKENS, longest=max(long))]


def _lengths(rows: Sequence[Frozen], refused: Mapping[str, str], rules: Rules) -> dict[str, Any]:
    too_long = sum(is_said("invalid.too_long", reason) for reason in refused.values())
    told: dict[str, Any] = {"limit": rules.max_tokens, "too_long": too_long, "of": len(rows), "measured": 0}
    part = rows[:MEASURED]
    whole = [[*row.prompt, {"role": "assistant", "content": row.completion}] for row in part]
    if rules.texts is not None:
        lengths = sorted(rules.texts.counts(whole))
    elif rules.count is not None:
        lengths = sorted(rules.count(row.prompt, row.completion) for row in part)
    else:
        return told | {"why_not": say("report.tokenizer_elsewhere")}
    if not lengths:
        return told
    at = {"shortest": 0, "median": len(lengths) // 2, "p95": len(lengths) * 95 // 100, "longest": len(lengths) - 1}
    named = {name: lengths[place] for name, place in at.items()}
    return told | {"measured": len(lengths), **named, "histogram": _histogram(lengths)}


def _histogram(lengths: Sequence[int]) -> list[list[int]]:
    """[most tokens, rows] of each of a few bins of the same width."""
    width = max(1, -(-lengths[-1] // BINS))
    counts = Counter((length - 1) // width if length else 0 for length in lengths)
    return [[(place + 1) * width, counts[place]] for place in range(max(counts) + 1)]


def _duplicates(rows: Sequence[Frozen], refused: Mapping[str, str]) -> dict[str, int]:
    groups = Counter(row.group_key for row in rows)
    large = [size for size in groups.values() if size > 1]
    return {
        "same_pair": sum(is_said("freeze.same_pair", reason) for reason in refused.values()),
        "groups": len(large),
        "rows_in_groups": sum(large),
        "largest_group": max(large, default=0),
    }


def _kinds(reasons: Iterable[str]) -> dict[str, int]:
    """Reasons without the values in them, most first."""
    return dict(Counter(VALUES.sub("…", reason) for reason in reasons).most_common(MOST_KINDS))


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _asked(row: Frozen) -> str:
    return next((message["content"] for message in reversed(row.prompt) if message["role"] == "user"), "")


def _short(person: str) -> str:
    return person[: len("guest:") + 6] if person.startswith("guest:") else person
