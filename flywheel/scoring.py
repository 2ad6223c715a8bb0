"""From the rows of a run's suites to stored scores: who answers what, and what the answers are worth.

The answers are made by `trainers.predict`, a program of its own; here is what it is asked, and what becomes of its
files. Answers are kept and used again as long as the questions, the version and the base are the same; they are judged
anew each time, since what is right may depend on the data. Knows no process and takes no decision.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from flywheel.base_model import BaseModel
from flywheel.errors import Damaged
from flywheel.evaluation import Judge, SuiteScore, score
from flywheel.runfiles import CORRECTED, PINNED, SUITE_FILES, Asks, Sources, SuiteRows, read_rows, read_suites
from flywheel.serving.thinking import parted
from flywheel.settings import Settings
from flywheel.words.catalogue import say
from storage.home import Home
from storage.runs import Run
from storage.versions import Score, VersionStore
from trainers.job import (
    PREDICTIONS,
    Contender,
    Outcome,
    Suite,
    predictions_file,
    read_predictions,
    write_outcome,
    write_predict,
)

BASE_VERSION = "v0"
MOST_NEW_TOKENS, MOST_NEW_TOKENS_STARTER = 256, 128
"""How long an answer may be; the starter's context is short, and its answers are shorter still."""


class Task(Judge, Asks, Protocol):
    """What scoring needs of a task."""


class Scoring:
    """Asks for answers and judges them. `settle` is slow: it executes every answer."""

    def __init__(
        self,
        versions: VersionStore,
        home: Home,
        base: BaseModel,
        task: Task,
        settings: Settings,
        pinned: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
    ) -> None:
        """`pinned` gives the tests that every version has to answer, as rows."""
        self._pinned = pinned
        self._versions, self._home, self._base, self._task, self._settings = versions, home, base, task, settings

    def sources(self) -> Sources:
        """The rows of every run besides its dataset: pinned tests, and replay and the general suite of the starter."""
        if not self._base.is_starter:
            return Sources(None, None, self._task, self._pinned)
        from starter import paths

        # The general suite asks the sample shop; over another database its answers would mean nothing.
        own = self._settings.task == "sql" and self._settings.is_sample_database
        return Sources(paths.REPLAY_FILE, paths.GENERAL_FILE if own else None, self._task, self._pinned)

    def general_prompts(self) -> list[list[dict[str, str]]]:
        """What the general suite asks; empty where the base has none."""
        general = self.sources().general
        return [] if general is None else [row["prompt"] for row in read_rows(general)]

    def request(self, run: Run, names: Sequence[str]) -> bool:
        """Write down which versions have to answer which suites; False when all answers are there already."""
        folder = self._home.run_dir(run.number)
        (folder / PREDICTIONS).mkdir(exist_ok=True)
        wanted: dict[tuple[str, str], list[Contender]] = {}
        for rows in read_suites(folder):
            for name in dict.fromkeys(names):
                contender, base_form = self._contender(name)
                if contender is not None and not self._fetch_known(folder, rows, name):
                    wanted.setdefault((rows.suite, base_form), []).append(contender)
        if wanted:
            write_predict(folder, [self._suite(*key, contenders) for key, contenders in wanted.items()])
        else:
            write_outcome(folder / PREDICTIONS, Outcome("finished", "", 0.0, {}))
        return bool(wanted)

    def settle(self, run: Run, version: str, *, by: str) -> None:
        """Judge all answers of a run and store its version's scores, with the flags of those it was judged beside."""
        folder = self._home.run_dir(run.number)
        scores: list[Score] = []
        for rows in read_suites(folder):
            flags = {}
            for name in self.answered(folder, rows.suite):
                texts = [parted(row["text"]).text for row in read_predictions(folder, rows.suite, name)]
                flags[name] = score(self._task, rows.references, texts)
            if version not in flags:
                raise Damaged(
                    say("error.version.answers_missing", version=version, suite=rows.suite, path=folder / PREDICTIONS)
                )
            scores.append(self._score(run, rows, version, flags))
        if scores:
            self._versions.add_scores(scores, by=by)

    def answered(self, folder: Path, suite: str) -> list[str]:
        """The versions whose answers to a suite lie in a run directory."""
        found = (folder / PREDICTIONS).glob(f"{suite}-v*.jsonl")
        return sorted((path.stem.removeprefix(f"{suite}-") for path in found), key=lambda name: int(name[1:]))

    def _contender(self, name: str) -> tuple[Contender | None, str]:
        """A version as the predict program needs it; None for one of another base, which cannot answer here."""
        if name == BASE_VERSION:
            return Contender(name), "full"
        version = self._versions.get(name)
        if version is None:
            raise Damaged(say("error.version.not_in_database", version=name))
        if version.revision != self._base.fingerprint:
            return None, version.base_form
        return Contender(name, str(self._home.version_dir(name))), version.base_form

    def _suite(self, suite: str, base_form: str, contenders: Sequence[Contender]) -> Suite:
        return Suite(
            suite=suite,
            file=SUITE_FILES[suite],
            versions=tuple(contenders),
            base=self._base.location,
            revision=self._base.revision,
            base_form=base_form,
            max_new_tokens=self._most_tokens,
        )

    @property
    def _most_tokens(self) -> int:
        """How long a test answer may be: as set for people's, else what most answers stay within."""
        return self._settings.max_tokens or (MOST_NEW_TOKENS_STARTER if self._base.is_starter else MOST_NEW_TOKENS)

    def _fetch_known(self, folder: Path, rows: SuiteRows, name: str) -> bool:
        """Copy the answers of an earlier run to the same questions by the same weights, if there are any."""
        target = predictions_file(folder, rows.suite, name)
        for known in self._versions.all_scores():
            details = known.details
            if (details["suite_sha256"], details["base"]) != (rows.sha256, self._base.fingerprint):
                continue
            if details.get("most_tokens", self._most_tokens) != self._most_tokens:
                continue
            source = predictions_file(self._home.run_dir(details["run"]), rows.suite, name)
            if name in (known.version, *details["beside"]) and source != target and source.exists():
                shutil.copyfile(source, target)
                return True
        target.unlink(missing_ok=True)
        return False

    def _score(self, run: Run, rows: SuiteRows, version: str, flags: dict[str, list[float]]) -> Score:
        own = SuiteScore(rows.suite, version, tuple(flags[version]))
        lo, hi = own.interval
        details: dict[str, Any] = {
            "correct": [_stored(grade) for grade in own.grades],
            "beside": {name: [_stored(grade) for grade in told] for name, told in flags.items() if name != version},
            "run": run.number,
            "dataset": run.dataset if rows.suite == CORRECTED else None,
            "suite_sha256": rows.sha256,
            "base": self._base.fingerprint,
            "most_tokens": self._most_tokens,
            **({"pins": rows.ids} if rows.suite == PINNED else {}),
        }
        return Score(version, rows.suite, own.n, own.value, lo, hi, details)


def _stored(grade: float) -> float:
    """Right and wrong as 1 and 0; what lies between as four digits that are neither."""
    return int(grade) if grade in (0, 1) else min(max(round(grade, 4), 0.0001), 0.9999)
