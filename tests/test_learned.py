"""What a person is told of their corrections: where each stands, and that some were learned."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.learned import Lesson, News
from flywheel.roles import ANONYMOUS
from storage.consents import ConsentStore
from storage.database import Database
from storage.home import Home
from tests.support.chatting import ANN, BOB
from tests.support.lessons import School
from trainers.job import predictions_file


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    home = Home.open(tmp_path / "home")
    made = School(home, Database.open(home.database, home.ledger_tail))
    yield made
    made.database.close()


def only(school: School) -> Lesson:
    (lesson,) = school.learned.mine(ANN).lessons
    return lesson


def test_a_correction_is_followed_from_waiting_to_learned(school: School) -> None:
    example = school.corrected(ANN, "how many?", "SELECT 1", "SELECT 2")
    lesson = only(school)
    assert (lesson.question, lesson.answer, lesson.corrected) == ("how many?", "SELECT 1", "SELECT 2")
    assert (lesson.state, lesson.answered_by) == ("waiting", "v0")
    example = school.decided(example, "approved")
    assert only(school).state == "approved"
    dataset = school.frozen({"train": [example]})
    assert (only(school).state, only(school).dataset) == ("frozen", "d1")
    version = school.trained(dataset)
    assert only(school).state == "frozen", "a candidate has taught nobody anything"
    school.promoted(version)
    lesson = only(school)
    assert (lesson.state, lesson.dataset, lesson.version, lesson.serving) == ("learned", "d1", "v1", True)


def test_a_declined_one_tells_the_reviewers_words(school: School) -> None:
    school.decided(school.corrected(ANN, "q", "a", "b"), "rejected", reason="not what <b>they</b> asked")
    assert (only(school).state, only(school).reason) == ("declined", "not what <b>they</b> asked")


def test_an_edited_approval_tells_the_text_that_counts(school: School) -> None:
    example = school.decided(school.corrected(ANN, "q", "a", "b"), "approved", completion="c")
    school.promoted(school.trained(school.frozen({"train": [example]})))
    assert (only(school).state, only(school).corrected, only(school).approved) == ("learned", "b", "c")


def test_another_correction_after_learning_waits_again(school: School) -> None:
    example = school.approved(ANN, "q", "a", "b")
    school.promoted(school.trained(school.frozen({"train": [example]})))
    assert example.turn_id is not None
    again = school.again(ANN, example.turn_id, "q", "a", "better")
    assert (only(school).state, only(school).corrected, only(school).version) == ("waiting", "better", None)
    school.decided(again, "approved")
    assert only(school).state == "approved", "the dataset holds the text before this one"


def test_a_row_for_testing_is_no_lesson(school: School) -> None:
    example = school.approved(ANN, "q", "a", "b")
    school.promoted(school.trained(school.frozen({"test": [example]})))
    assert (only(school).state, only(school).side, only(school).version) == ("frozen", "test", None)
    assert school.learned.news(ANN) is None


def test_a_row_for_testing_tells_what_is_answered_now(school: School) -> None:
    examples = [school.approved(ANN, "q", "a", "b"), school.approved(ANN, "other", "a", "c")]
    run = school.home.run_dir(1)
    version = school.trained(school.frozen({"test": examples}), run=1)
    path = predictions_file(run, "corrected", version)
    path.parent.mkdir(parents=True)
    rows = [
        {"prompt": [{"role": "system", "content": "s"}, *e.prompt], "completion": [{"content": e.completion}]}
        for e in examples
    ]
    (run / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text('{"index": 0, "text": "b!"}\n{"index": 1, "text": "c!"}\n')
    school.promoted(version)
    assert [lesson.after for lesson in school.learned.mine(ANN).lessons] == ["c!", "b!"]


def test_what_may_not_be_learned_from_is_said_to_be_unused(school: School) -> None:
    first, second = school.approved(ANN, "q", "a", "b"), school.corrected(ANN, "p", "a", "b")
    school.promoted(school.trained(school.frozen({"train": [first]})))
    ConsentStore(school.database).choose(ANN.id, "no", by=ANN.id)
    unused, learned = school.learned.mine(ANN).lessons
    assert (unused.turn_id, unused.state) == (second.turn_id, "not used")
    assert (learned.state, learned.held) == ("learned", True), "what was learned is not unlearned by a word"


def test_what_the_dataset_left_out_says_why(school: School) -> None:
    kept, left = school.approved(ANN, "q", "a", "b"), school.approved(ANN, "p", "a", "b")
    school.frozen({"train": [kept]}, refused={left.id: "longer than the model reads"})
    newest, oldest = school.learned.mine(ANN).lessons
    assert (newest.state, newest.reason) == ("approved", "longer than the model reads")
    assert oldest.state == "frozen"


def test_learned_stays_learned_after_a_rollback(school: School) -> None:
    example = school.approved(ANN, "q", "a", "b")
    school.promoted(school.trained(school.frozen({"train": [example]})))
    school.promoted("v0", kind="rollback")
    assert (only(school).state, only(school).version, only(school).serving) == ("learned", "v1", False)
    assert school.learned.news(ANN) is None


def test_news_comes_once_and_counts_what_is_new(school: School) -> None:
    first = school.approved(ANN, "q", "a", "b")
    school.approved(BOB, "q", "a", "b")
    assert school.learned.news(ANN) is None
    school.promoted(school.trained(school.frozen({"train": [first]})))
    assert school.learned.news(ANN) == News("v1", 1)
    assert school.learned.news(BOB) is None
    head = school.database.head.seq
    school.learned.told(ANN, "v1")
    school.learned.told(ANN, "v1")
    assert school.database.head.seq == head + 1
    assert school.learned.news(ANN) is None
    second = school.approved(ANN, "p", "a", "b")
    school.promoted(school.trained(school.frozen({"train": [first, second]})))
    assert school.learned.news(ANN) == News("v2", 1), "the first was told with v1"


def test_news_of_a_version_never_told_comes_with_the_next(school: School) -> None:
    first, second = school.approved(ANN, "q", "a", "b"), school.approved(ANN, "p", "a", "b")
    school.promoted(school.trained(school.frozen({"train": [first]})))
    school.promoted(school.trained(school.frozen({"train": [first, second]})))
    assert school.learned.news(ANN) == News("v2", 2)
    assert school.learned.mine(ANN).lessons[1].version == "v1"


def test_everybody_sees_their_own_alone(school: School) -> None:
    example = school.corrected(ANN, "q", "a", "b")
    assert school.learned.mine(BOB).total == 0
    assert school.learned.question(ANN, str(example.turn_id)) == "q"
    for given in (str(example.turn_id), "x", ""):
        with pytest.raises(NotFound):
            school.learned.question(BOB, given)
    with pytest.raises(Forbidden):
        school.learned.mine(ANONYMOUS)
    with pytest.raises(InvalidInput, match="v9"):
        school.learned.told(ANN, "v9")


def test_a_thousand_corrections_are_counted_and_paged(school: School) -> None:
    by = ANN.id
    talk = school.conversations.start(owner=by, task="sql", by=by)

    def job(tx) -> None:
        for number in range(1000):
            turn = school.conversations.add_turn(
                conversation_id=talk.id, parent_id=None, role="assistant", content="a", by=by, tx=tx
            )
            school.feedback.correct(turn.id, f"b{number}", by=by, tx=tx)

    school.database.write(job, by=by)
    found = school.learned.mine(ANN, limit=20, offset=980)
    assert (found.total, len(found.lessons), found.lessons[-1].corrected) == (1000, 20, "b0")
    assert found.counts == {"not used": 1000}, "no example came of them"
