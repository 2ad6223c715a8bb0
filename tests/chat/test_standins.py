"""Going on from a correction: the model reads it, and nothing takes it for the model's words."""

import json

import pytest

from flywheel.errors import InvalidInput, NotFound
from flywheel.exports import Exporter, export_lines
from flywheel.roles import Principal, Role
from flywheel.standins import StandIns
from flywheel.tasks.chat import ChatTask
from storage.consents import ConsentStore
from storage.datasets import DatasetStore
from tests.support.chatting import ANN, ANSWERS, BOB, App

RIGHT = "Good day to you."


@pytest.fixture
def standins(talk: App) -> StandIns:
    return StandIns(talk.chat.threads, ChatTask(""))


def said(talk: App) -> list[str]:
    return [item.turn.content for item in talk.chat.thread(ANN, None).items]


def test_the_next_question_follows_the_correction(talk: App, standins: StandIns) -> None:
    first = talk.ask(ANN, "hello")
    talk.chat.correct(ANN, first.turn_id, RIGHT)
    thread = standins.go_on(ANN, first.turn_id)
    assert said(talk) == ["hello", RIGHT]
    assert thread.items[-1].siblings[0] == first.turn_id, "the answer itself stands beside it"
    second = talk.ask(ANN, "and now", first.conversation_id)
    assert second.turn is not None
    prompt = second.turn.details["rendered_prompt"]
    assert RIGHT in prompt and ANSWERS["hello"] not in prompt
    _, example = talk.chat.correct(ANN, second.turn_id, "Noon.")
    assert [m["content"] for m in example.prompt] == ["hello", RIGHT, "and now"]
    answer = talk.conversations.turn(first.turn_id)
    assert answer is not None and answer.content == ANSWERS["hello"]


def test_going_on_twice_is_one_turn(talk: App, standins: StandIns) -> None:
    first = talk.ask(ANN, "hello")
    talk.chat.correct(ANN, first.turn_id, RIGHT)
    ids = {standins.go_on(ANN, first.turn_id).items[-1].turn.id for _ in range(2)}
    assert len(ids) == 1 and len(talk.turns()) == 3


def test_only_ones_own_corrected_answer_can_be_followed(talk: App, standins: StandIns) -> None:
    first = talk.ask(ANN, "hello")
    with pytest.raises(InvalidInput, match="not corrected"):
        standins.go_on(ANN, first.turn_id)
    talk.chat.correct(ANN, first.turn_id, RIGHT)
    with pytest.raises(NotFound):
        standins.go_on(BOB, first.turn_id)


def test_a_correction_is_never_an_answer_of_a_model(talk: App, standins: StandIns) -> None:
    first = talk.ask(ANN, "hello")
    talk.chat.correct(ANN, first.turn_id, RIGHT)
    own = standins.go_on(ANN, first.turn_id).items[-1].turn.id
    for call in (lambda: talk.chat.rate(ANN, own, "down"), lambda: talk.chat.correct(ANN, own, "Other.")):
        with pytest.raises(InvalidInput, match="your own correction"):
            call()
    consents = ConsentStore(talk.database)
    exporter = Exporter(talk.examples, DatasetStore(talk.database), talk.conversations, talk.feedback, consents)
    owner = Principal("local:owner", Role.OWNER)
    rows = [json.loads(line) for line in export_lines(exporter, owner, what="turns")]
    assert [row["messages"][-1]["content"] for row in rows] == [ANSWERS["hello"]]
