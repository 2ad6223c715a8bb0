"""Whose conversation it is, and what everybody else sees of it: nothing."""

from pathlib import Path

import pytest

from flywheel.errors import Forbidden, NotFound
from flywheel.roles import ANONYMOUS, Principal, Role
from flywheel.serving.local import LocalEngine
from flywheel.tasks.sql import SqlTask
from storage.home import Home
from tests.support.chatting import ANN, BOB, COUNT, SQL, App, make_app


def test_history_survives_a_reload(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    app.chat.rate(ANN, asked.turn_id, "up")
    thread = app.chat.thread(ANN, None)
    assert thread.conversation_id == asked.conversation_id
    assert [item.turn.content for item in thread.items] == [COUNT, SQL]
    assert [item.rating and item.rating.rating for item in thread.items] == [None, "up"]


def test_newcomer_sees_nothing(app: App) -> None:
    app.ask(ANN, COUNT)
    assert app.chat.thread(BOB, None).items == []
    assert app.chat.thread(BOB, None).conversation_id is None


def test_foreign_ids_are_answered_like_unknown_ones(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    before = app.events()
    told = set()
    for conversation in (asked.conversation_id, "0" * 26, "nonsense", "\ud800", 7):
        for call in (lambda id: app.chat.thread(BOB, id), lambda id: app.ask(BOB, "hi", id)):
            with pytest.raises(NotFound) as refused:
                call(conversation)
            told.add(str(refused.value))
    assert len(told) == 1
    assert app.events() == before


def test_foreign_answers_cannot_be_rated_or_corrected(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    before = app.events()
    for turn in (asked.turn_id, asked.user_turn_id, "0" * 26, "\ud800"):
        who = ANN if turn == asked.user_turn_id else BOB
        for call in (
            lambda who, id: app.chat.rate(who, id, "down"),
            lambda who, id: app.chat.correct(who, id, "SELECT 2"),
            lambda who, id: app.chat.try_sql(who, id, "SELECT 2"),
        ):
            with pytest.raises(NotFound):
                call(who, turn)
    assert app.events() == before


def test_guests_can_be_kept_out(tmp_path: Path, engine: LocalEngine, task: SqlTask) -> None:
    app = make_app(Home.open(tmp_path / "home"), engine, task, guest_chat=False)
    with pytest.raises(Forbidden, match="Guests"):
        app.ask(ANN, COUNT)
    assert app.turns() == []
    assert app.ask(Principal("local:owner", Role.OWNER), COUNT).text == SQL
    app.database.close()


def test_without_a_cookie_nothing_goes(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    for call in (
        lambda: app.ask(ANONYMOUS, COUNT),
        lambda: app.chat.thread(ANONYMOUS, None),
        lambda: app.chat.rate(ANONYMOUS, asked.turn_id, "up"),
        lambda: app.chat.correct(ANONYMOUS, asked.turn_id, "x"),
        lambda: app.chat.try_sql(ANONYMOUS, asked.turn_id, "SELECT 1"),
        lambda: app.chat.stop(ANONYMOUS, asked.turn_id),
    ):
        with pytest.raises(Forbidden):
            call()
