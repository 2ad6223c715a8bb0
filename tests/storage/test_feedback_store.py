import pytest

from storage.conversations import ConversationStore
from storage.database import Database
from storage.errors import BadValue, Missing
from storage.feedback import FeedbackStore


@pytest.fixture
def store(db: Database) -> FeedbackStore:
    return FeedbackStore(db)


@pytest.fixture
def answers(db: Database) -> list[str]:
    """Ids of two assistant turns."""
    turns = ConversationStore(db)
    talk = turns.start(owner="guest:1", task="sql", by="guest:1")
    return [
        turns.add_turn(conversation_id=talk.id, parent_id=None, role="assistant", content="x", by="x").id
        for _ in range(2)
    ]


def test_the_latest_thumb_counts(store: FeedbackStore, answers: list[str]) -> None:
    store.rate(answers[0], "down", ["wrong table"], "see the orders", by="guest:1")
    latest = store.rate(answers[0], "up", by="guest:1")
    assert store.ratings(answers) == {answers[0]: latest}
    assert (latest.reasons, latest.comment) == ([], "")
    assert store.counts() == {"up": 1, "down": 0, "corrections": 0}


def test_a_thumb_taken_back_counts_for_nothing(store: FeedbackStore, answers: list[str]) -> None:
    store.rate(answers[0], "up", by="guest:1")
    store.rate(answers[0], None, by="guest:1")
    assert store.ratings(answers)[answers[0]].rating is None
    assert store.counts() == {"up": 0, "down": 0, "corrections": 0}


def test_people_have_thumbs_of_their_own(store: FeedbackStore, answers: list[str]) -> None:
    first = store.rate(answers[0], "down", by="guest:1")
    second = store.rate(answers[0], "up", by="guest:2")
    assert store.ratings(answers, by="guest:1") == {answers[0]: first}
    assert store.ratings(answers) == {answers[0]: second}
    assert store.ratings(answers, by="guest:3") == {} == store.ratings([])
    assert store.counts()["up"] == store.counts()["down"] == 1


def test_the_latest_correction_counts(store: FeedbackStore, answers: list[str]) -> None:
    store.correct(answers[1], "SELECT 1", by="guest:1")
    latest = store.correct(answers[1], "SELECT 2", by="guest:1")
    assert store.corrections(answers) == {answers[1]: latest}
    assert store.corrections(answers, by="guest:2") == {}
    assert store.counts()["corrections"] == 2


def test_feedback_needs_its_turn(store: FeedbackStore) -> None:
    with pytest.raises(Missing, match="no answer `forged`"):
        store.rate("forged", "up", by="guest:1")
    with pytest.raises(Missing, match="no answer `forged`"):
        store.correct("forged", "x", by="guest:1")


def test_a_rating_is_up_down_or_nothing(store: FeedbackStore, answers: list[str]) -> None:
    with pytest.raises(BadValue, match="`up`, `down` or nothing"):
        store.rate(answers[0], "sideways", by="guest:1")


def test_thumb_and_correction_share_a_transaction(store: FeedbackStore, answers: list[str], db: Database) -> None:
    def both() -> None:
        def job(tx):  # type: ignore[no-untyped-def]
            store.rate(answers[0], "down", by="guest:1", tx=tx)
            store.correct("forged", "x", by="guest:1", tx=tx)

        db.write(job, by="guest:1")

    with pytest.raises(Missing):
        both()
    assert store.ratings(answers) == {}
