"""A correction before it is sent: what it changes, and what it returns beside the answer's own result."""

import pytest

from flywheel.drafts import Drafts
from flywheel.errors import InvalidInput, NotFound
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from tests.support.chatting import ANN, BOB, COUNT, SQL, App


@pytest.fixture
def drafts(app: App, task: SqlTask) -> Drafts:
    return Drafts(app.chat, task)


def test_difference_is_of_the_answer_and_the_text(app: App, drafts: Drafts) -> None:
    turn = app.ask(ANN, COUNT).turn_id
    parts = drafts.diff(ANN, turn, f"{SQL} WHERE total > 9")
    assert "".join(words for op, words in parts if op != "added") == SQL
    assert [words.strip() for op, words in parts if op == "added"] == ["WHERE total > 9"]


@pytest.mark.parametrize("text", [SQL, f" {SQL}\n", f"```sql\n{SQL}\n```"])
def test_the_answer_itself_makes_no_difference(app: App, drafts: Drafts, text: str) -> None:
    assert drafts.diff(ANN, app.ask(ANN, COUNT).turn_id, text) == []


def test_both_results_stand_side_by_side(app: App, drafts: Drafts) -> None:
    turn = app.ask(ANN, COUNT).turn_id
    before = app.events()
    wrong = drafts.attempt(ANN, turn, "SELECT count(*) FROM stores")
    assert wrong.before is not None and wrong.before.rows != wrong.after.rows == [[5]]
    assert (wrong.before_count, wrong.same) == (1, False)
    assert drafts.attempt(ANN, turn, "SELECT count(order_id) AS n FROM orders").same is True
    assert app.events() == before


def test_a_tried_statement_is_guarded_and_tells_nothing_of_sameness(app: App, drafts: Drafts) -> None:
    trial = drafts.attempt(ANN, app.ask(ANN, COUNT).turn_id, "DROP TABLE orders")
    assert not trial.after.accepted and trial.same is None


def test_an_answer_that_was_not_run_has_no_result_beside(app: App, drafts: Drafts) -> None:
    trial = drafts.attempt(ANN, app.ask(ANN, "drop it all").turn_id, "SELECT 1")
    assert trial.before is not None and not trial.before.accepted and trial.same is None
    words = drafts.attempt(ANN, app.ask(ANN, "hello").turn_id, "SELECT 1")
    assert words.before is not None and words.before.sql is None and words.same is None


def test_drafts_of_others_are_not_there(app: App, drafts: Drafts) -> None:
    turn = app.ask(ANN, COUNT).turn_id
    for call in (drafts.diff, drafts.attempt):
        with pytest.raises(NotFound):
            call(BOB, turn, "SELECT 1")


def test_a_task_without_sql_tries_nothing(talk: App) -> None:
    turn = talk.ask(ANN, "hello").turn_id
    drafts = Drafts(talk.chat, ChatTask(""))
    assert drafts.diff(ANN, turn, "Good morning!") != []
    with pytest.raises(InvalidInput, match="FLYWHEEL_TASK"):
        drafts.attempt(ANN, turn, "SELECT 1")


def test_another_thumb_has_none_of_the_old_reasons(app: App) -> None:
    turn = app.ask(ANN, COUNT).turn_id
    app.chat.rate(ANN, turn, "down", ["wrong_filter"], "last year")
    for rating in ("up", "down", None):
        app.chat.rate(ANN, turn, rating)
        kept = app.chat.thread(ANN, None).items[-1].rating
        assert kept is not None and (kept.rating, kept.reasons, kept.comment) == (rating, [], "")
