"""The wheel, turned once on the starter: asked, corrected, reviewed, frozen, trained, scored, promoted, asked again.

Everything goes through the services that the pages use; what is special is only who does it: a program plays guest,
reviewer and owner, with the starter's example corrections. The same seed gives the same result, but for the seconds.
"""

import contextlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flywheel.errors import InvalidInput, Refused, Unavailable
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from flywheel.settings import Settings
from flywheel.standing import Measure
from storage.conversations import Turn
from storage.runs import ACTIVE, Run

REVIEWER = Principal("local:reviewer:demo", Role.REVIEWER)
OWNER = Principal("local:owner", Role.OWNER)
EACH = 10
"""Corrections of one guest: a dataset takes so many of nobody's alone that they could plant something."""
PAUSE_S = 0.1
STOP_SECONDS = 40.0
"""How long an interrupted demo waits for its trainer to end."""

TOLD_EVERY = 0.1

Progress = Callable[..., object]
"""Called with words, and with a fraction from 0 to 1 where there is one."""


@dataclass(frozen=True)
class Lesson:
    """One example correction."""

    term: str
    question: str
    correction: str


class Clock:
    """Seconds at each station of the wheel."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    @contextlib.contextmanager
    def at(self, station: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[station] = round(time.monotonic() - began, 2)

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.monotonic() - self._began, 2)}


def run_demo(
    settings: Settings,
    corrections: int = 30,
    terms: int = 1,
    seed: int = 0,
    keep: bool = False,
    progress: Progress = lambda words, fraction=None: None,
) -> dict[str, Any]:
    """Turn the wheel once; returns scores before and after with their intervals, seconds, and what was promoted.

    With `keep` it happens in the home of the settings, else in one that is thrown away. Raises InvalidInput when more
    corrections are asked for than there are, Unavailable when the run does not finish.
    """
    lessons = choose(corrections, terms, seed)
    with contextlib.ExitStack() as stack:
        if keep:
            _require_starter(settings)
        else:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="flywheel-demo-"))
            settings = replace(
                settings,
                home=Path(scratch),
                base_model="starter",
                engine="local",
                task="sql",
                database="",
                system_prompt="",
            )
        clock = Clock()
        with clock.at("start"):
            services = build_services(settings)
            stack.callback(services.close)
            progress("loading the starter")
            services.wait_until_ready()
        stack.callback(_stop, services)
        return _turn(services, lessons, seed, clock, progress)


def choose(corrections: int, terms: int, seed: int) -> list[Lesson]:
    """So many example corrections, evenly of the first terms, drawn by the seed. Raises InvalidInput."""
    from starter import paths

    if not 1 <= terms <= len(paths.TERMS):
        raise InvalidInput(f"`terms` is `{terms}`. Give a number from 1 to {len(paths.TERMS)}.")
    files = {
        term: paths.corrections_file(term).read_text(encoding="utf-8").splitlines() for term in paths.TERMS[:terms]
    }
    rng = random.Random(seed)
    chosen: list[Lesson] = []
    for place, (term, lines) in enumerate(files.items()):
        # The first terms take what does not divide evenly.
        count = corrections // terms + (place < corrections % terms)
        if not 0 < count <= len(lines):
            most = terms * min(map(len, files.values()))
            raise InvalidInput(
                f"`corrections` is `{corrections}`. With {terms} terms give a number from {terms} to {most}."
            )
        rows = [json.loads(line) for line in rng.sample(lines, count)]
        chosen += [Lesson(term, row["question"], row["correction"]) for row in rows]
    rng.shuffle(chosen)
    return chosen


def _turn(services: Services, lessons: list[Lesson], seed: int, clock: Clock, progress: Progress) -> dict[str, Any]:
    guests = [Principal(f"guest:{number:032x}", Role.GUEST) for number in range(-(-len(lessons) // EACH))]
    terms = list(dict.fromkeys(lesson.term for lesson in lessons))
    # What it teaches is bundled: nobody has to be asked.
    for guest in guests:
        services.privacy.choose(guest, "yes")
    with clock.at("chat"):
        ids = [
            _teach(services, guests[at // EACH], lesson, at + 1, len(lessons), progress)
            for at, lesson in enumerate(lessons)
        ]
    with clock.at("review"):
        approved, refused = services.curation.approve_many(REVIEWER, [id for id in ids if id])
        progress(f"approved {len(approved)} corrections" + (f", {len(refused)} could not be" if refused else ""))
        for term in terms:
            services.curation.load_phrasings(REVIEWER, term)
    with clock.at("freeze"):
        version = services.datasets.freeze(OWNER).version
        progress(f"froze {version.id}: " + ", ".join(f"{count} {side}" for side, count in version.counts.items()))
    run = services.training.start(OWNER, version.id, overrides={"seed": seed})
    with clock.at("train"):
        run = _follow(services, run, "running", progress)
    with clock.at("evaluate"):
        run = _follow(services, run, "evaluating", progress)
    if run.state != "finished" or run.version is None:
        raise Unavailable(f"The demo's run is `{run.state}`: {run.reason} Look at the settings, then try again.")
    view = services.versions.show(OWNER, run.version)
    with clock.at("promote"):
        promoted = _promote(services, run.version, progress)
    with clock.at("ask"):
        _ask_again(services, guests[0], lessons[0], progress)
    return {
        "suites": {suite.suite: _gain(suite.current, suite.candidate) for suite in view.scores},
        "seconds": clock.total(),
        "train_cpu_seconds": services.training.cpu_seconds(run.number),
        "version": run.version,
        "promoted": promoted,
        "seed": seed,
    }


def _teach(services: Services, guest: Principal, lesson: Lesson, n: int, of: int, progress: Progress) -> str | None:
    """Ask in a conversation of its own and correct the answer; the id of the example, None if it was right."""
    turn = _answer(services, guest, lesson.question)
    if turn.content.strip() == lesson.correction.strip():
        services.chat.rate(guest, turn.id, "up")
        return None
    _, example = services.chat.correct(guest, turn.id, lesson.correction, ["misunderstood"])
    if n == 1 or n % 10 == 0 or n == of:
        progress(f"asked and corrected {n} of {of}", n / of)
    return example.id


def _answer(services: Services, guest: Principal, question: str) -> Turn:
    turn = None
    for update in services.chat.reply(guest, None, question, source="demo"):
        turn = update.turn or turn
    if turn is None or turn.state != "complete":
        error = turn.details.get("error") if turn else None
        raise Unavailable(f"“{question}” was not answered: {error or 'no answer came'}. Try again.")
    return turn


def _follow(services: Services, run: Run, state: str, progress: Progress) -> Run:
    """Poll until the run has left a state."""
    doing, reached = "", 0.0
    while run.state == state:
        time.sleep(PAUSE_S)
        services.training.poll()
        view = services.training.view(OWNER, run.number)
        run = view.run
        now = view.phase.partition(",")[0]
        if now != doing or view.progress >= reached + TOLD_EVERY:
            doing, reached = now, view.progress
            progress(f"run {run.number}: {view.phase}", view.progress)
    return run


def _promote(services: Services, version: str, progress: Progress) -> bool:
    verdict = services.versions.verdict(OWNER, version)
    for reason in verdict.reasons:
        progress(reason)
    try:
        services.versions.promote(OWNER, version)
    except Refused:
        progress(f"{version} is {verdict.state} and was not promoted")
        return False
    progress(f"{version} passed and serves now")
    return True


def _ask_again(services: Services, guest: Principal, lesson: Lesson, progress: Progress) -> None:
    turn = _answer(services, guest, lesson.question)
    right = "right" if services.task.correct(turn.content, lesson.correction) else "wrong"
    progress(f"asked again, {turn.version} answers {right}: “{lesson.question}” → {turn.content}")


def _gain(before: Measure | None, after: Measure | None) -> dict[str, Any]:
    assert before is not None and after is not None, "a finished run has scored both"
    return {
        "n": after.n,
        "before": round(before.value, 4),
        "after": round(after.value, 4),
        "before_ci": [round(before.lo, 4), round(before.hi, 4)],
        "after_ci": [round(after.lo, 4), round(after.hi, 4)],
    }


def _require_starter(settings: Settings) -> None:
    if not (settings.is_starter and settings.task == "sql" and settings.is_sample_database):
        raise InvalidInput(
            "The demo teaches the starter about its sample shop, and another base, task or database is configured. "
            "Leave out `--keep`, or unset FLYWHEEL_BASE_MODEL, FLYWHEEL_TASK and FLYWHEEL_DATABASE."
        )


def _stop(services: Services) -> None:
    """End a run that is still under way: the demo was interrupted, and its home may go."""
    end = time.monotonic() + STOP_SECONDS
    for run in services.training.listing(OWNER, limit=1):
        if run.state in ACTIVE:
            services.training.cancel(OWNER, run.number)
        while run.state in ACTIVE and time.monotonic() < end:
            time.sleep(PAUSE_S)
            services.training.poll()
            run = services.training.view(OWNER, run.number).run
