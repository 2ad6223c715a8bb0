"""What a program sends to the events of branches and of the list: forged, foreign, unusable and strange things."""

import json
from uuid import uuid4

import gradio as gr
import pytest
from starlette.requests import Request

from flywheel.chat import Thread
from flywheel.roles import Principal, Role
from flywheel.ui.chat import ChatPage
from storage.conversations import ConversationStore
from tests.support.app import App
from tests.support.events import Caller

QUESTION = "how many customers"


@pytest.fixture
def guest() -> Principal:
    return Principal(f"guest:{uuid4().hex}", Role.GUEST)


def ask(app: App, who: Principal, question: str = QUESTION) -> Thread:
    for _ in app.services.chat.reply(who, None, question):
        pass
    return app.services.chat.thread(who, None)


def test_forged_ids_change_nothing(app: App, guest: Principal) -> None:
    theirs = ask(app, Principal(f"guest:{uuid4().hex}", Role.GUEST))
    ask(app, guest)
    caller, head = Caller(app, guest), app.services.database.head
    foreign = [theirs.conversation_id, theirs.items[0].turn.id, theirs.items[1].turn.id]
    strange = [{"id": given} for given in (*foreign, "0" * 26, "'; --", json.loads('"\\ud800"'), 7, None, ["x"], "")]
    for event in ("branch_show", "branch_retry", "branch_edit", "history_choose"):
        for given in (*strange, {}, [], "text", None):
            answer = caller.send(event, [None, None], given)
            assert not answer.ok and "no such" in answer.error, (event, given)
    assert app.services.database.head == head


def test_panels_without_a_choice_say_so(app: App, guest: Principal) -> None:
    caller, head = Caller(app, guest), app.services.database.head
    for event, data in (
        ("branch_send", [None, "forged"]),
        ("history_rename", [None]),
        ("history_delete", [None]),
        ("history_save", ["", None, "mine"]),
        ("history_sure", [None]),
    ):
        answer = caller.send(event, data)
        assert (
            not answer.ok and "Traceback" not in answer.error and answer.error.endswith(("page.", "change.", "first."))
        )
    assert app.services.database.head == head


def test_changed_question_is_checked_like_a_message(app: App, guest: Principal) -> None:
    thread, caller = ask(app, guest), Caller(app, guest)
    assert caller.send("branch_edit", [], {"id": thread.items[0].turn.id}).ok
    head = app.services.database.head
    for text, words in (
        ("", "empty"),
        ("x" * 100_000, "100,000 characters"),
        ("a\0b", "null"),
        (QUESTION, "what it was"),
    ):
        answer = caller.send("branch_send", [None, text])
        assert not answer.ok and words in answer.error
    assert app.services.database.head == head
    assert caller.send("branch_send", [None, "who are you"]).ok
    shown = app.services.chat.thread(guest, None).items
    assert shown[0].turn.content == "who are you"
    assert len(shown[0].siblings) == 2


def test_a_switch_is_kept_and_named_by_id(app: App, guest: Principal) -> None:
    thread, caller = ask(app, guest), Caller(app, guest)
    first = thread.items[1].turn.id
    assert caller.send("branch_retry", [], {"id": first}).ok
    assert app.services.chat.thread(guest, None).place != first
    answer = caller.send("branch_show", [], {"id": first})
    assert answer.ok and "1/2" in json.dumps(answer.data)
    assert app.services.chat.thread(guest, None).place == first


def test_titles_are_shown_as_text(app: App, guest: Principal) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    ask(app, guest, evil)
    caller = Caller(app, guest)
    for event, data in (("history_open", ["", None]), ("history_search", ["onerror", None])):
        (listed,) = caller.send(event, data).data
        assert "&lt;img src=x" in listed and "<img" not in listed and "<script" not in listed
    (none,) = caller.send("history_search", ["<b>nowhere</b>", None]).data
    assert "<b>" not in none


def test_strangers_see_an_empty_list(app: App, guest: Principal) -> None:
    ask(app, guest)
    (listed,) = Caller(app, Principal(f"guest:{uuid4().hex}", Role.GUEST)).send("history_open", ["", None]).data
    assert QUESTION not in listed and "Your chats are listed here" in listed


def test_each_tab_goes_on_from_what_it_shows(app: App, guest: Principal) -> None:
    ask(app, guest)
    page = ChatPage(app.services)
    tabs = [
        gr.Request(Request({"type": "http", "state": {"who": guest}, "headers": []}), session_hash=name)
        for name in ("left", "right")
    ]
    place = page.open(tabs[0])[1]
    assert page.open(tabs[1])[1] == place
    for tab, question in zip(tabs, ("who are you", "show me all customers"), strict=True):
        *_, last = page.send(question, place, tab)
        texts = json.dumps(last[1]["value"])
        assert question in texts
    conversations = ConversationStore(app.services.database)
    turns = conversations.turns(conversations.latest_of(guest.id).id)  # type: ignore[union-attr]
    questions = {turn.content: turn for turn in turns if turn.role == "user"}
    assert {questions["who are you"].parent_id, questions["show me all customers"].parent_id} == {place}
    answers = {turn.parent_id for turn in turns if turn.role == "assistant"}
    assert answers == {turn.id for turn in questions.values()}
