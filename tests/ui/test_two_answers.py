"""Two answers to choose from, in a browser and by the event: wide, on a phone, after a reload, in two tabs."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.abreast import Side
from flywheel.roles import Principal, Role
from flywheel.serving.engine import Sampling
from flywheel.threads import ThreadItem
from flywheel.ui import present
from storage.conversations import ConversationStore, Turn
from storage.ids import new_id
from tests.conftest import ANSWERS
from tests.support.app import App
from tests.support.browser import Visitor, visit
from tests.support.events import Caller
from tests.ui.test_axe import is_fit
from tests.ui.test_chat_page import PAYLOADS

QUESTION = "show me all customers"
WILD = Side("v0", Sampling(16, temperature=2.0, seed=4))


@pytest.fixture
def asked_twice(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question gets two answers: the one known by heart, and noise."""
    usual = Side("v0", app.services.chat.usual_sampling())
    monkeypatch.setattr(app.services.comparing, "share", 1.0)
    monkeypatch.setattr(app.services.comparing, "sides", lambda: (usual, WILD))


@pytest.fixture(params=["desktop", "phone"])
def guest(app: App, asked_twice: None, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    visitor = visit(browser, size=request.param, dark=request.param == "phone")
    visitor.open(app.url)
    yield visitor
    visitor.context.close()


def ask(page: Page, question: str = QUESTION) -> None:
    asked = page.locator("#chat .user").count()
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("textbox", name="Message").press("Enter")
    expect(page.locator("#chat .user")).to_have_count(asked + 1)
    expect(page.get_by_role("button", name="Both are bad")).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_attached()


def who(app: App, visitor: Visitor) -> Principal:
    return app.services.identity.of({c["name"]: c["value"] for c in visitor.context.cookies()})


def pair(app: App, principal: Principal) -> tuple[Turn, Turn]:
    choice = app.services.chat.thread(principal, None).items[-1].choice
    assert choice is not None
    return choice


def chosen(app: App, principal: Principal) -> str:
    """The place of the right answer's button: whether the good one stands left or right is left to chance."""
    return "first" if pair(app, principal)[0].content == ANSWERS[QUESTION] else "second"


@pytest.mark.browser
def test_the_answer_chosen_is_what_the_chat_goes_on_from(app: App, guest: Visitor) -> None:
    page, phone = guest.page, guest.page.viewport_size["width"] < 640  # type: ignore[index]
    ask(page)
    expect(page.locator("#chat .fw-version")).to_have_count(0)
    expect(page.get_by_role("button", name="Dislike")).to_have_count(0)
    first, second = (page.locator(".fw-one").nth(n).bounding_box() for n in (0, 1))
    assert first and second and (first["x"] == second["x"] if phone else first["y"] == second["y"])
    is_fit(page)
    page.reload()
    button = page.get_by_role("button", name=f"Choose the {chosen(app, who(app, guest))} answer")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fw-two")).to_have_count(0)
    expect(page.locator("#chat .bot").last).to_contain_text("rows")
    expect(page.locator(".fw-at")).to_have_text(re.compile("[12]/2"))
    expect(page.locator("#consent")).to_contain_text("does not learn from it unless you allow it")
    turn = app.services.chat.thread(who(app, guest), None).items[-1].turn
    assert turn.content == ANSWERS[QUESTION]
    ask(page, "who are you")
    assert app.services.chat.thread(who(app, guest), None).items[-2].turn.parent_id == turn.id
    assert guest.troubles == []


@pytest.mark.browser
def test_choosing_neither_and_just_asking_on(app: App, guest: Visitor) -> None:
    page = guest.page
    ask(page)
    page.get_by_role("button", name="No difference").click()
    expect(page.locator(".fw-at")).to_have_count(1)
    ask(page)
    first = pair(app, who(app, guest))[0].id
    ask(page, "who are you")
    expect(page.locator(".fw-two")).to_have_count(1)
    assert app.services.chat.thread(who(app, guest), None).items[-2].turn.parent_id == first
    assert guest.troubles == []


def test_what_is_no_choice_is_refused_in_words(app: App, asked_twice: None) -> None:
    ann, bob = (Principal(f"guest:{uuid4().hex}", Role.GUEST) for _ in "ab")
    list(app.services.comparing.reply(ann, None, QUESTION))
    left, right = pair(app, ann)
    mine, other = Caller(app, ann), Caller(app, bob)
    for caller, data, words in (
        (other, {"id": f"better {left.id}"}, "no such answer"),
        (mine, {"id": "better "}, "no such answer"),
        (mine, {"id": f"best {left.id}"}, "is no choice"),
        (mine, {"id": ["better", left.id]}, "is no choice"),
        (mine, None, "is no choice"),
    ):
        answer = caller.send("two_choose", [], data)
        assert not answer.ok and words in answer.error, answer
    assert mine.send("two_choose", [], {"id": f"better {right.id}"}).ok
    again = mine.send("two_choose", [], {"id": f"better {left.id}"})
    assert not again.ok and "already" in again.error
    app.services.chat.threads.delete(ann, left.conversation_id)
    assert "no such answer" in mine.send("two_choose", [], {"id": f"better {right.id}"}).error


@pytest.mark.parametrize("text", ["```sql\nSELECT 1", "~~~\n```\n", "a ``` b", "```\na\n```", "```\na\n```\n````x\nb"])
def test_an_answer_cannot_swallow_the_one_beside_it(text: str) -> None:
    turn = Turn("1", "c", None, "assistant", text, "complete", "v1", "page", {}, None)  # type: ignore[arg-type]
    words = present.messages([ThreadItem(turn, None, None, None, choice=(turn, turn))])[0]["content"]["text"]
    outside = present._FENCED.sub("", words)
    assert outside.count("</div>") == 3 and not re.search("^ {0,3}(```|~~~)", outside, re.MULTILINE)
    assert "v1" not in words


@pytest.mark.browser
def test_nothing_in_two_answers_acts_or_is_fetched(app: App, asked_twice: None, browser: Browser) -> None:
    visitor = visit(browser, size="phone")
    fetched: list[str] = []
    visitor.page.on("request", lambda request: fetched.append(request.url))
    visitor.open(app.url)
    person, store = who(app, visitor).id, ConversationStore(app.services.database)
    talk = store.start(owner=person, task="sql", by=person).id
    question = store.add_turn(conversation_id=talk, parent_id=None, role="user", content="?", by=person).id
    ids = new_id(), new_id()
    for at, id in enumerate(reversed(ids)):
        store.add_turn(
            id=id, conversation_id=talk, parent_id=question, role="assistant", by=person, version="v0",
            content="\n\n".join([*PAYLOADS, "</div></div><button name='fw-choose'>x</button>", "```\nopen"]),
            details={"beside": ids[at], "at": at},
        )  # fmt: skip
    page = visitor.open(app.url)
    expect(page.locator(".fw-two > .fw-one")).to_have_count(2)
    expect(page.locator("#chat button.fw-choose")).to_have_count(4)
    assert page.evaluate("window.p") is None and not [url for url in fetched if "evil.example" in url]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Choose the second answer").click()
    expect(page.locator(".fw-two")).to_have_count(0)
    # A diagram in the payloads makes the page library complain on the console; it draws nothing.
    assert not [trouble for trouble in visitor.troubles if trouble.startswith("dialog")]
    visitor.context.close()
