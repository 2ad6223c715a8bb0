"""What a reasoning model thinks is kept beside its answer and is never taken for it."""

from tests.support.chatting import ANN, App


def test_thoughts_are_kept_apart_from_the_answer(talk: App) -> None:
    updates = list(talk.chat.reply(ANN, None, "think"))
    assert [update.text for update in updates if "think" in update.text or "two" in update.text] == []
    last = updates[-1]
    assert last.turn is not None
    assert (last.text, last.turn.content, last.thinking) == ("It is four.", "It is four.", "two and two")
    assert last.turn.details["thinking"] == "two and two"


def test_thoughts_reach_neither_examples_nor_the_next_question(talk: App) -> None:
    answer = talk.ask(ANN, "think").turn
    assert answer is not None
    _, example = talk.chat.correct(ANN, answer.id, "It is five.")
    assert (example.answer, example.completion) == ("It is four.", "It is five.")
    after = talk.ask(ANN, "hello", answer.conversation_id).turn
    assert after is not None and "It is four." in after.details["rendered_prompt"]
    assert "two and two" not in after.details["rendered_prompt"]


def test_answer_without_thoughts_has_none(talk: App) -> None:
    turn = talk.ask(ANN, "hello").turn
    assert turn is not None and turn.details["thinking"] is None
