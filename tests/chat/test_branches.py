"""Retries and edited questions: what is kept, what is shown, what a later question follows."""

from collections.abc import Iterator

import pytest

from flywheel.errors import Conflict, InvalidInput, NotFound
from flywheel.exports import Exporter, export_lines
from flywheel.reply import Update
from flywheel.roles import Principal, Role
from storage.consents import ConsentStore
from storage.datasets import DatasetStore
from tests.support.chatting import ANN, ANSWERS, BOB, COUNT, RAMBLE, SQL, App

OWNER = Principal("local:owner", Role.OWNER)


def last(updates: Iterator[Update]) -> Update:
    return [*updates][-1]


def told(app: App, place: str | None = None) -> list[str]:
    return [item.turn.content for item in app.chat.thread(ANN, place).items]


def test_retry_is_kept_beside_and_drawn(app: App) -> None:
    first = app.ask(ANN, COUNT)
    again = last(app.chat.retry(ANN, first.turn_id))
    assert again.user_turn_id == first.user_turn_id
    assert [turn.role for turn in app.turns()] == ["user", "assistant", "assistant"]
    assert first.turn.details["sampling"]["temperature"] == 0
    drawn = again.turn.details["sampling"]
    assert drawn["temperature"] > 0 and isinstance(drawn["seed"], int)
    shown = app.chat.thread(ANN, None).items[-1]
    assert shown.turn.id == again.turn_id
    assert shown.siblings == (first.turn_id, again.turn_id)


def test_retry_can_differ(app: App) -> None:
    # v1's weights are noise: whatever is drawn from them differs.
    app.served[0] = "v1"
    first = app.ask(ANN, COUNT, sampling=RAMBLE)
    assert last(app.chat.retry(ANN, first.turn_id)).text != first.text


def test_another_version_says_what_it_holds_likeliest(app: App) -> None:
    first = app.ask(ANN, COUNT, version="v1")
    again = last(app.chat.retry(ANN, first.turn_id))
    assert (again.text, again.turn.version, again.turn.details["sampling"]["temperature"]) == (SQL, "v0", 0)


def test_edited_question_stands_beside_the_first(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    second = talk.ask(ANN, "list the orders", first.turn_id)
    edited = last(talk.chat.edit(ANN, second.user_turn_id, COUNT))
    assert told(talk) == ["hello", ANSWERS["hello"], COUNT, edited.text]
    assert told(talk, second.turn_id) == ["hello", ANSWERS["hello"], "list the orders", second.text]
    assert ANSWERS["hello"] in edited.turn.details["rendered_prompt"]
    assert "list the orders" not in edited.turn.details["rendered_prompt"]
    assert talk.chat.thread(ANN, None).items[2].siblings == (second.user_turn_id, edited.user_turn_id)


def test_first_question_can_be_edited(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    edited = last(talk.chat.edit(ANN, first.user_turn_id, COUNT))
    assert edited.conversation_id == first.conversation_id
    assert told(talk) == [COUNT, SQL]
    assert talk.conversations.turn(edited.user_turn_id).parent_id is None


def test_choice_is_kept_and_a_later_question_follows_it(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    other = last(talk.chat.edit(ANN, first.user_turn_id, COUNT))
    shown = talk.chat.threads.show(ANN, first.user_turn_id)
    assert [item.turn.content for item in shown.items] == told(talk) == ["hello", ANSWERS["hello"]]
    later = talk.ask(ANN, "list the orders", first.conversation_id)
    assert [turn.content for turn in talk.conversations.path_to(later.turn_id)][:3] == [
        "hello", ANSWERS["hello"], "list the orders",
    ]  # fmt: skip
    assert talk.chat.threads.show(ANN, other.user_turn_id).place == other.turn_id
    assert talk.chat.threads.show(ANN, first.turn_id).place == later.turn_id


def test_each_tab_goes_on_from_what_it_shows(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    here = talk.ask(ANN, COUNT, first.turn_id)
    there = talk.ask(ANN, "list the orders", first.turn_id)
    parents = {talk.conversations.turn(update.user_turn_id).parent_id for update in (here, there)}
    assert parents == {first.turn_id}
    assert told(talk, here.turn_id)[2:] == [COUNT, here.text]
    assert told(talk, there.turn_id)[2:] == ["list the orders", there.text]
    later = talk.ask(ANN, "drop it all", here.turn_id)
    assert "list the orders" not in told(talk, later.turn_id)


def test_tab_that_shows_a_question_goes_on_from_its_answer(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    second = talk.ask(ANN, COUNT, first.user_turn_id)
    assert talk.conversations.turn(second.user_turn_id).parent_id == first.turn_id


def test_one_answer_at_a_time_in_one_place(app: App) -> None:
    first = app.ask(ANN, COUNT)
    replies = app.chat.reply(ANN, first.turn_id, "go on", version="v1", sampling=RAMBLE)
    asked = next(replies).user_turn_id
    before = app.events()
    for call in (
        lambda: app.ask(ANN, COUNT, first.turn_id),
        lambda: app.ask(ANN, COUNT, first.conversation_id),
        lambda: app.ask(ANN, COUNT, asked),
        lambda: last(app.chat.retry(ANN, asked)),
        lambda: last(app.chat.edit(ANN, asked, COUNT)),
    ):
        with pytest.raises(Conflict, match="still being written"):
            call()
    assert app.events() == before
    again = app.chat.retry(ANN, first.turn_id)
    next(again)
    with pytest.raises(Conflict):
        last(app.chat.retry(ANN, first.turn_id))
    assert [*again][-1].turn.parent_id == first.user_turn_id
    replies.close()


def test_foreign_and_forged_turns_are_not_found(app: App) -> None:
    first = app.ask(ANN, COUNT)
    before = app.events()
    for turn in (first.turn_id, first.user_turn_id, first.conversation_id, "0" * 26, "\ud800", 7, None):
        who = ANN if turn == first.conversation_id else BOB
        for call in (
            lambda who, id: last(app.chat.retry(who, id)),
            lambda who, id: last(app.chat.edit(who, id, "other")),
            lambda who, id: (
                app.chat.threads.show(who, id) if who is BOB else app.chat.threads.own_turn(who, id, "user")
            ),
            lambda who, id: app.chat.threads.rename(who, id, "mine now") if who is BOB else app.chat.answer(who, id),
        ):
            with pytest.raises(NotFound):
                call(who, turn)
    with pytest.raises(NotFound):
        last(app.chat.edit(ANN, first.turn_id, "an answer is no question"))
    assert app.events() == before


@pytest.mark.parametrize("text", ["", " \n", "a" * 8001, "nul \0 byte", COUNT, None])
def test_unusable_edit_leaves_nothing(app: App, text: str) -> None:
    first = app.ask(ANN, COUNT)
    before = app.events()
    with pytest.raises(InvalidInput):
        last(app.chat.edit(ANN, first.user_turn_id, text))
    assert app.events() == before


def test_stopped_retry_keeps_what_there_is(app: App) -> None:
    first = app.ask(ANN, COUNT)
    app.served[0] = "v1"
    replies = app.chat.retry(ANN, first.turn_id)
    app.chat.stop(ANN, next(replies).turn_id)
    assert last(replies).turn.state == "stopped"
    assert len(app.turns()) == 3


def test_correction_of_a_sibling_has_its_path_as_prompt(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    second = talk.ask(ANN, "list the orders", first.turn_id)
    other = last(talk.chat.edit(ANN, first.user_turn_id, COUNT))
    third = talk.ask(ANN, "drop it all", other.turn_id)
    prompts = {}
    for update in (second, third):
        _, example = talk.chat.correct(ANN, update.turn_id, "No, like this.")
        prompts[update.turn_id] = [message["content"] for message in example.prompt]
    assert prompts[second.turn_id] == ["hello", ANSWERS["hello"], "list the orders"]
    assert prompts[third.turn_id] == [COUNT, SQL, "drop it all"]


def test_every_branch_is_exported_with_what_led_to_it(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    last(talk.chat.retry(ANN, first.turn_id))
    last(talk.chat.edit(ANN, first.user_turn_id, COUNT))
    exporter = Exporter(
        talk.examples, DatasetStore(talk.database), talk.conversations, talk.feedback, ConsentStore(talk.database)
    )
    lines = [*export_lines(exporter, OWNER, what="turns")]
    assert [line.count('"role"') for line in lines] == [2, 2, 2]
    assert [COUNT in line for line in lines] == [False, False, True]
