"""What was collected, as files other programs read. Exporting, importing and exporting again gives the same bytes.

Knows formats, not pages: a caller gets lines, or a file written whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.rows import as_row, line
from flywheel.splitting import SIDES
from storage.consents import ConsentStore
from storage.conversations import ConversationStore, Turn
from storage.datasets import DatasetStore
from storage.examples import ExampleStore
from storage.feedback import FeedbackStore
from storage.files import write_atomic

FORMATS = ("openai", "prompt-completion")
WHAT = ("examples", "dataset", "turns", "feedback")


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
    """Write a file, replacing one of that name; returns the number of rows. Raises InvalidInput, NotFound."""
    rows = list(export_lines(exporter, who, what=what, format=format, dataset=dataset, side=side))
    try:
        if out.is_dir():
            raise InvalidInput(f"`{out}` is a folder. Name a file in it.")
        write_atomic(out, "".join(rows))
    except OSError as error:
        raise InvalidInput(f"`{out}` cannot be written ({error.strerror}). Name another file.") from error
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
    """JSON lines, each with its line feed.

    `examples`: the approved ones, oldest first, each pair once. `dataset`: the rows of a version (the latest where none
    is named), of one side or of all. `turns`: each complete answer with what led to it. `feedback`: each rated answer,
    with the key `feedback` beside. Turns and feedback are everybody's conversations and need the owner. No line holds
    what its author does not allow to be learnt from: each of these files can be trained on elsewhere.
    """
    format = "openai" if format is None else format
    if format not in FORMATS:
        raise InvalidInput(f"`{format}` cannot be written. Choose one of {', '.join(f'`{f}`' for f in FORMATS)}.")
    if what not in WHAT:
        raise InvalidInput(f"There is no `{what}` to export. Choose one of {', '.join(f'`{w}`' for w in WHAT)}.")
    require(who, Role.OWNER if what in ("turns", "feedback") else Role.REVIEWER)
    if what == "examples":
        pairs = ((example.prompt, example.completion) for example in exporter.examples.approved())
        return _once(line(as_row(prompt, completion, format)) for prompt, completion in pairs)
    if what == "dataset":
        return _dataset(exporter, dataset, side, format)
    return _turns(exporter, format, rated=what == "feedback")


def _once(lines: Iterator[str]) -> Iterator[str]:
    """Two people may have sent the same pair; a file that is imported again holds it once."""
    seen: set[str] = set()
    for text in lines:
        if text not in seen:
            seen.add(text)
            yield text


def _dataset(exporter: Exporter, dataset: str | None, side: str | None, format: str) -> Iterator[str]:
    version = exporter.datasets.get(dataset) if dataset else exporter.datasets.latest()
    if version is None:
        missing = f"There is no dataset version `{dataset}`" if dataset else "Nothing is frozen yet"
        raise NotFound(f"{missing}. `python -m flywheel datasets list` names them, `freeze` makes one.")
    if side is not None and side not in SIDES:
        raise InvalidInput(f"There is no side `{side}`. Choose `train`, `validation` or `test`.")
    rows = exporter.datasets.rows(version.id, side=side)
    return _once(line(as_row(row.prompt, row.completion, format)) for row in rows if not row.withdrawn)


def _turns(exporter: Exporter, format: str, *, rated: bool) -> Iterator[str]:
    held = exporter.consents.held_turns()
    for conversation in exporter.conversations.all():
        turns = {turn.id: turn for turn in exporter.conversations.turns(conversation.id)}
        answers = [turn for turn in turns.values() if _is_answer(turn) and turn.id not in held]
        ratings = exporter.feedback.ratings([turn.id for turn in answers])
        corrections = exporter.feedback.corrections([turn.id for turn in answers])
        for turn in answers:
            row = as_row(_before(turn, turns), turn.content, format)
            if not rated:
                yield line(row)
            elif turn.id in ratings or turn.id in corrections:
                yield line(row | {"feedback": _feedback(turn, ratings, corrections)})


def _is_answer(turn: Turn) -> bool:
    # A correction that somebody went on from is part of the prompts after it, and no model's answer.
    return turn.role == "assistant" and turn.state == "complete" and not turn.details.get("corrects")


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
