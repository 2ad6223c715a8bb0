"""What became of the corrections of one person: waiting, decided, in a dataset, learned by a version.

Derived from the records each time it is asked; nothing is cached. A correction is learned by a version when the text
that was approved stands on the training side of the version's dataset and the version was promoted. Decides nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.runfiles import CORRECTED, read_suites
from flywheel.words.catalogue import say
from storage.datasets import DatasetStore, Placed
from storage.examples import Example, ExampleStore
from storage.feedback import Corrected, FeedbackStore
from storage.home import Home
from storage.notices import NoticeStore
from storage.versions import Version, VersionStore
from trainers.job import predictions_file, read_predictions

STATES = ("waiting", "approved", "frozen", "learned", "declined", "set aside", "withdrawn", "not used")
"""Where a correction may stand, on its way and off it."""
_UNDECIDED = {"pending": "waiting", "skipped": "waiting", "rejected": "declined", "quarantined": "set aside"}
MOST_LESSONS = 100
NOTICE = "learned:"


@dataclass(frozen=True)
class Lesson:
    """One correction and where it stands."""

    turn_id: str
    """The answer that was corrected."""
    question: str
    answer: str
    answered_by: str | None
    corrected: str
    given: datetime
    state: str
    """One of STATES."""
    reason: str | None = None
    """The reviewer's words on a decision; of an approved one, why the latest dataset left it out."""
    approved: str | None = None
    """The text that was approved, where the reviewer changed it."""
    dataset: str | None = None
    """The first dataset version that holds it."""
    side: str | None = None
    """`train`, or `validation` or `test`: then it is no lesson, but checks what versions know."""
    version: str | None = None
    """The first version that was promoted and has learned it."""
    serving: bool = False
    """What answers now has learned it."""
    held: bool = False
    """Its author does not allow learning from it now; what learned it before has learned it."""
    after: str | None = None
    """What the version that serves answered to the same question, where it was evaluated on it."""
    known_to: frozenset[str] = field(default=frozenset(), repr=False)
    """All promoted versions that have learned it."""


@dataclass(frozen=True)
class Lessons:
    """Part of a person's corrections, newest first, and how many stand where."""

    total: int
    counts: dict[str, int]
    """State → number, states without any left out."""
    lessons: list[Lesson]
    served: str


@dataclass(frozen=True)
class News:
    """The version that serves has learned this many corrections of a person who was not told yet."""

    version: str
    count: int


@dataclass(frozen=True)
class _Promoted:
    """What tells which version has learned what: the promoted versions in order of their first promotion."""

    served: str
    versions: Sequence[Version]

    def knowing(self, places: Sequence[Placed]) -> list[str]:
        """Those trained on one of these places, first promoted first."""
        trained = {f"d{place.number}" for place in places if place.side == "train"}
        return [version.id for version in self.versions if version.dataset in trained]


class Learned:
    """Tells people what became of their corrections, each of their own alone."""

    def __init__(
        self,
        feedback: FeedbackStore,
        examples: ExampleStore,
        datasets: DatasetStore,
        versions: VersionStore,
        notices: NoticeStore,
        home: Home,
        served: Callable[[], str],
    ) -> None:
        """`served` names the version that answers now."""
        self._feedback, self._examples, self._datasets = feedback, examples, datasets
        self._versions, self._notices, self._home, self._served = versions, notices, home, served

    def mine(self, who: Principal, limit: int = 25, offset: int = 0) -> Lessons:
        """One's own corrections, newest first, at most 100 at once."""
        require(who, Role.GUEST)
        lessons, promoted = self._lessons(who.id)
        counts = Counter(lesson.state for lesson in lessons)
        page = lessons[max(0, offset) :][: max(1, min(limit, MOST_LESSONS))]
        known = {state: counts[state] for state in STATES if counts[state]}
        return Lessons(len(lessons), known, self._evaluated(page, promoted), promoted.served)

    def news(self, who: Principal) -> News | None:
        """What the version that serves has learned of this person since they were last told; None when nothing."""
        require(who, Role.GUEST)
        lessons, promoted = self._lessons(who.id)
        told = {name.removeprefix(NOTICE) for name in self._notices.seen_by(who.id)} if lessons else set()
        fresh = [lesson for lesson in lessons if lesson.serving and not lesson.known_to & told]
        return News(promoted.served, len(fresh)) if fresh else None

    def told(self, who: Principal, version: str) -> None:
        """This person knows what the version has learned: it is not told again."""
        require(who, Role.GUEST)
        if self._versions.get(version) is None:
            raise InvalidInput(say("error.version.gone", version=version[:60]))
        self._notices.put_away(f"{NOTICE}{version}", by=who.id)

    def question(self, who: Principal, turn_id: str) -> str:
        """The question whose answer one corrected, to be asked again. NotFound for anybody else's."""
        require(who, Role.GUEST)
        found = next((c for c in self._feedback.corrected_by(who.id) if c.correction.turn_id == turn_id), None)
        if found is None:
            raise NotFound(say("error.correction.unknown"))
        return found.question

    def _lessons(self, person: str) -> tuple[list[Lesson], _Promoted]:
        corrected = self._feedback.corrected_by(person)
        if not corrected:
            return [], _Promoted(self._served(), [])
        examples = self._examples.for_turns([one.correction.turn_id for one in corrected])
        places = self._datasets.holding([example.id for example in examples.values()])
        latest, promoted = self._datasets.latest(), self._promoted()
        left_out = {item["example_id"]: item["reason"] for item in latest.refused} if latest else {}
        return [_lesson(one, examples, places, left_out, promoted) for one in corrected], promoted

    def _promoted(self) -> _Promoted:
        order = dict.fromkeys(p.version for p in reversed(self._versions.history()) if p.kind == "promote")
        known = {version.id: version for version in self._versions.list()}
        return _Promoted(self._served(), [known[name] for name in order if name in known])

    def _evaluated(self, lessons: Sequence[Lesson], promoted: _Promoted) -> list[Lesson]:
        """With the answers of what serves to those that it was tested on."""
        if all(lesson.side in (None, "train") for lesson in lessons):
            return list(lessons)
        answers = self._answers(next((v for v in promoted.versions if v.id == promoted.served), None))
        return [
            replace(lesson, after=answers.get((lesson.question, lesson.approved or lesson.corrected)))
            if lesson.side not in (None, "train")
            else lesson
            for lesson in lessons
        ]

    def _answers(self, version: Version | None) -> dict[tuple[str, str], str]:
        """(question, wanted text) → what the version answered when it was evaluated."""
        if version is None or version.run is None:
            return {}
        folder = self._home.run_dir(version.run)
        if not predictions_file(folder, CORRECTED, version.id).exists():
            return {}
        rows = next((rows for rows in read_suites(folder) if rows.suite == CORRECTED), None)
        texts = [row["text"] for row in read_predictions(folder, CORRECTED, version.id)]
        if rows is None or len(texts) != len(rows.references):
            return {}
        asked = [prompt[-1]["content"] for prompt in rows.prompts]
        return dict(zip(zip(asked, rows.references, strict=True), texts, strict=True))


def _lesson(
    one: Corrected,
    examples: Mapping[str, Example],
    places: Mapping[str, Sequence[Placed]],
    left_out: Mapping[str, str],
    promoted: _Promoted,
) -> Lesson:
    given = one.correction
    made = Lesson(
        given.turn_id, one.question, one.answer, one.version, given.text, given.created, "not used", held=one.held
    )
    lesson = _stood(made, examples.get(given.turn_id), places, left_out, promoted)
    return lesson if lesson.state == "learned" or not one.held else made


def _stood(
    made: Lesson,
    example: Example | None,
    places: Mapping[str, Sequence[Placed]],
    left_out: Mapping[str, str],
    promoted: _Promoted,
) -> Lesson:
    """Where the correction's example stands, whoever may learn from it."""
    if example is None:
        return made
    if example.state != "approved":
        state = _UNDECIDED.get(example.state, example.state)
        return replace(made, state=state, reason=example.reason if state != "waiting" else None)
    made = replace(made, approved=None if example.completion == made.corrected else example.completion)
    # What was frozen is a lesson of this correction only as it was approved last.
    held = [place for place in places.get(example.id, ()) if place.completion == example.completion]
    if not held:
        return replace(made, state="approved", reason=left_out.get(example.id))
    known = promoted.knowing(held)
    first = held[0]
    return replace(
        made,
        state="learned" if known else "frozen",
        dataset=f"d{first.number}",
        side=first.side,
        version=known[0] if known else None,
        serving=promoted.served in known,
        known_to=frozenset(known),
    )
