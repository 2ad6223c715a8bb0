"""Answers side by side: what base, current and candidate said to the same question, those that changed first.

Reads the prediction files of the candidate's run and the flags of the stored scores. Judges nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flywheel.errors import NotFound
from flywheel.evaluation import SuiteScore
from flywheel.runfiles import SuiteRows, read_suites
from flywheel.serving.engine import BASE_VERSION
from flywheel.serving.thinking import parted
from flywheel.standing import Scores, VersionView, flags_of
from flywheel.words.catalogue import say
from storage.home import Home
from storage.versions import Score
from trainers.job import predictions_file, read_predictions

MOST_ROWS = 100


@dataclass(frozen=True)
class Answer:
    version: str
    text: str
    correct: bool
    grade: float
    """0 to 1; 1 is right."""


@dataclass(frozen=True)
class AnswerRow:
    question: str
    reference: str
    answers: list[Answer]
    """In the order base, current, candidate, each once."""
    changed: bool
    """Candidate and current are not graded alike."""


@dataclass(frozen=True)
class AnswerPage:
    suite: str
    total: int
    changed: int
    rows: list[AnswerRow]


def page(scores: Scores, home: Home, view: VersionView, suite: str, *, limit: int = 20, offset: int = 0) -> AnswerPage:
    """Part of a suite: gained and lost rows first, then the wrong ones, then the rest. Raises NotFound."""
    version = view.version
    own = next((score for score in scores.get(version.id, []) if score.suite == suite), None)
    rows = _rows(home, own) if own else None
    if own is None or rows is None:
        raise NotFound(say("error.version.no_answers", version=version.id, suite=suite))
    names = list(dict.fromkeys((BASE_VERSION, view.against, version.id)))
    folder = home.run_dir(own.details["run"])
    columns = [column for name in names if (column := _column(folder, rows, flags_of(name, own, scores)))]
    told = [_row(rows, columns, index, view) for index in range(len(rows.references))]
    told.sort(key=lambda row: (not row.changed, row.answers[-1].grade if row.answers else 1.0))
    limit = max(1, min(limit, MOST_ROWS))
    return AnswerPage(suite, len(told), sum(row.changed for row in told), told[max(0, offset) :][:limit])


def _rows(home: Home, score: Score) -> SuiteRows | None:
    """The rows that a score was made on, if its run's files are still those."""
    folder = home.run_dir(score.details["run"])
    suites = read_suites(folder) if folder.is_dir() else []
    return next((rows for rows in suites if rows.sha256 == score.details["suite_sha256"]), None)


def _column(folder: Path, rows: SuiteRows, flags: SuiteScore | None) -> list[Answer] | None:
    """One version's answers with their flags, if both are there for these very rows."""
    path = predictions_file(folder, rows.suite, flags.version) if flags else None
    if flags is None or path is None or not path.exists():
        return None
    texts = [parted(row["text"]).text for row in read_predictions(folder, rows.suite, flags.version)]
    if not len(texts) == flags.n == len(rows.references):
        return None
    return [Answer(flags.version, text, grade >= 1, grade) for text, grade in zip(texts, flags.grades, strict=True)]


def _row(rows: SuiteRows, columns: Sequence[Sequence[Answer]], index: int, view: VersionView) -> AnswerRow:
    told = [column[index] for column in columns]
    compared = [answer.grade for answer in told if answer.version in (view.against, view.version.id)]
    question = rows.prompts[index][-1]["content"]
    return AnswerRow(question, rows.references[index], told, len(set(compared)) > 1)
