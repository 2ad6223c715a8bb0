"""What was collected, as files other programs read. Exporting, importing and exporting again gives the same bytes.

Knows formats, not pages: a caller gets lines, or a file written whole.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel import parquet
from flywheel.errors import InvalidInput, NotFound
from flywheel.formats import FORMATS, PREFERENCES, as_preferences, as_row
from flywheel.readers import defused
from flywheel.redaction.redact import redact
from flywheel.roles import Principal, Role, require
from flywheel.rows import line
from flywheel.splitting import SIDES
from flywheel.tags import TAGS, tagged
from flywheel.words.catalogue import say
from storage.consents import ConsentStore
from storage.conversations import ConversationStore, Turn
from storage.datasets import DatasetStore
from storage.examples import Example, ExampleStore
from storage.feedback import FeedbackStore
from storage.files import write_atomic

WHAT = ("examples", "dataset", "preferences", "turns", "feedback")
TALK = ("openai", "prompt-completion", "sharegpt")
FORMATS_OF = {
    "preferences": PREFERENCES,
    "dataset": tuple(form for form in FORMATS if form not in PREFERENCES),
    "turns": TALK,
    "feedback": TALK,
}
"""What fits only some formats: a dataset holds no wrong answers, conversations are no tables."""
SUFFIXES = {".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Exporter:
    """Where the rows come from."""

    examples: ExampleStore
    datasets: DatasetStore
    conversations: ConversationStore
    feedback: FeedbackStore
    consents: ConsentStore


def export_file(
    exporter: Exporter,
    who: Principal,
    out: Path,
    *,
    what: str = "examples",
    format: str | None = None,
    dataset: str | None = None,
    side: str | None = None,
) -> int:
    """Write a file, replacing one of that name; returns the number of rows. The format is the named one, else what the
    name of the file says. Raises InvalidInput, NotFound."""
    form = _format(what, format or SUFFIXES.get(out.suffix.lower()))
    rows = list(_rows(exporter, who, what, form, dataset, side))
    content = parquet.write(rows) if form == "parquet" else "".join(_lines(rows, form))
    try:
        if out.is_dir():
            raise InvalidInput(say("error.file.is_folder", path=out))
        write_atomic(out, content)
    except OSError as error:
        raise InvalidInput(say("error.file.unwritable", out=out, reason=error.strerror)) from error
    return len(rows)


def export_lines(
    exporter: Exporter,
    who: Principal,
    *,
    what: str = "examples",
    format: str | None = None,
    dataset: str | None = None,
    side: str | None = None,
) -> Iterator[str]:
    """Lines of text, each with its line feed; a table begins with the names of its columns.

    `examples`: the approved ones, oldest first, each pair once. `dataset`: the rows of a version (the latest where none
    is named), of one side or of all. `preferences`: approved examples with the answer that was found wrong. `turns`:
    each complete answer with what led to it. `feedback`: each rated answer, with the key `feedback` beside. Turns and
    feedback are everybody's conversations and need the owner. No line holds what its author does not allow to be
    learnt from: each of these files can be trained on elsewhere.
    """
    form = _format(what, format)
    if form == "parquet":
        raise InvalidInput(say("error.export.parquet_is_no_text"))
    return _lines(_rows(exporter, who, what, form, dataset, side), form)


def _format(what: str, named: str | None) -> str:
    form = named or ("dpo" if what == "preferences" else "openai")
    if form not in FORMATS:
        raise InvalidInput(say("error.export.no_form", form=form, known=", ".join(f"`{f}`" for f in FORMATS)))
    if what not in WHAT:
        raise InvalidInput(say("error.export.no_such", what=what, known=", ".join(f"`{w}`" for w in WHAT)))
    fitting = FORMATS_OF.get(what, FORMATS)
    if form not in fitting:
        listed = ", ".join(f"`{f}`" for f in fitting)
        raise InvalidInput(say("error.export.form_unfit", form=form, what=what, listed=listed))
    return form


def _lines(rows: Iterable[dict[str, Any]], format: str) -> Iterator[str]:
    if format != "csv":
        yield from map(line, rows)
        return
    yield _cells(("prompt", "completion"))
    for row in rows:
        yield _cells((defused(row["prompt"]), defused(row["completion"])))


def _cells(cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _rows(
    exporter: Exporter, who: Principal, what: str, format: str, dataset: str | None, side: str | None
) -> Iterator[dict[str, Any]]:
    require(who, Role.OWNER if what in ("turns", "feedback") else Role.REVIEWER)
    if what == "dataset":
        return _dataset(exporter, dataset, side, format)
    if what in ("turns", "feedback"):
        return _turns(exporter, format, rated=what == "feedback")
    approved = exporter.examples.approved()
    if format in PREFERENCES:
        return _preferences(approved, format)
    tags = exporter.examples.tags([example.id for example in approved])
    return _once(
        tagged(as_row(example.prompt, example.completion, format), tags.get(example.id, ()), format)
        for example in approved
    )


def _preferences(approved: Iterable[Example], format: str) -> Iterator[dict[str, Any]]:
    """Nobody reviewed the wrong answers: personal data in them are redacted. A right answer is given once, with the
    first of its wrong ones."""
    seen: set[str] = set()
    for example in approved:
        wrong = redact(example.answer or "").text
        pair = line(as_row(example.prompt, example.completion, "openai"))
        if wrong.strip() and wrong.strip() != example.completion.strip() and pair not in seen:
            seen.add(pair)
            yield from as_preferences(example.prompt, example.completion, wrong, format)


def _once(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Two people may have sent the same pair; a file that is imported again holds it once."""
    seen: set[str] = set()
    for row in rows:
        if (text := line({key: value for key, value in row.items() if key != TAGS})) not in seen:
            seen.add(text)
            yield row


def _dataset(exporter: Exporter, dataset: str | None, side: str | None, format: str) -> Iterator[dict[str, Any]]:
    version = exporter.datasets.get(dataset) if dataset else exporter.datasets.latest()
    if version is None:
        missing = say("error.export.no_version", dataset=dataset) if dataset else say("error.export.nothing_frozen")
        raise NotFound(say("error.export.no_dataset", missing=missing))
    if side is not None and side not in SIDES:
        raise InvalidInput(say("error.dataset.no_side", side=side))
    rows = exporter.datasets.rows(version.id, side=side)
    return _once(
        tagged(as_row(row.prompt, row.completion, format), row.tags, format) for row in rows if not row.withdrawn
    )


def _turns(exporter: Exporter, format: str, *, rated: bool) -> Iterator[dict[str, Any]]:
    held = exporter.consents.held_turns()
    for conversation in exporter.conversations.all():
        turns = {turn.id: turn for turn in exporter.conversations.turns(conversation.id)}
        answers = [turn for turn in turns.values() if _is_answer(turn) and turn.id not in held]
        ratings = exporter.feedback.ratings([turn.id for turn in answers])
        corrections = exporter.feedback.corrections([turn.id for turn in answers])
        for turn in answers:
            row = as_row(_before(turn, turns), turn.content, format)
            if not rated:
                yield row
            elif turn.id in ratings or turn.id in corrections:
                yield row | {"feedback": _feedback(turn, ratings, corrections)}


def _is_answer(turn: Turn) -> bool:
    # A correction that somebody went on from, and what a program said an answer was, are part of the prompts after
    # them, and no model's answers.
    by_hand = turn.details.get("corrects") or turn.details.get("given")
    return turn.role == "assistant" and turn.state == "complete" and not by_hand


def _before(answer: Turn, turns: dict[str, Turn]) -> list[dict[str, str]]:
    """The messages that led to an answer, oldest first."""
    path = []
    at = turns.get(answer.parent_id or "")
    while at is not None:
        path.append({"role": at.role, "content": at.content})
        at = turns.get(at.parent_id or "")
    return path[::-1]


def _feedback(turn: Turn, ratings: dict[str, Any], corrections: dict[str, Any]) -> dict[str, Any]:
    rating, correction = ratings.get(turn.id), corrections.get(turn.id)
    return {
        "turn_id": turn.id,
        "version": turn.version,
        "rating": rating.rating if rating else None,
        "reasons": rating.reasons if rating else [],
        "comment": rating.comment if rating else "",
        "correction": correction.text if correction else None,
    }
