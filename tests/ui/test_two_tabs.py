"""Two tabs of one browser on one conversation: each answer under its own question, and nothing is lost."""

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.identity import COOKIE
from storage.conversations import ConversationStore
from tests.support.app import App
from tests.support.browser import visit

pytestmark = pytest.mark.browser
FIRST, LEFT, RIGHT = "how many customers", "who are you", "show me all customers"


def send(page: Page, question: str) -> None:
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_attached()
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("textbox", name="Message").press("Enter")


def test_two_tabs_on_one_conversation(app: App, browser: Browser) -> None:
    guest = visit(browser)
    left = guest.open(app.url)
    send(left, FIRST)
    expect(left.locator("#chat .fw-version")).to_have_count(1)
    right = guest.context.new_page()
    right.goto(app.url)
    expect(right.locator("#chat .fw-version")).to_have_count(1)
    # The right tab shows what it showed; while the left one is being answered, the same place cannot be asked.
    send(left, LEFT)
    expect(left.locator("#chat .fw-version")).to_have_count(2)
    answered = left.locator("#chat [data-testid=bot]").last.inner_text()
    send(right, RIGHT)
    for page, own, other in ((right, RIGHT, LEFT), (left, LEFT, RIGHT)):
        expect(page.locator("#chat .fw-version")).to_have_count(2)
        expect(page.locator("#chat [data-testid=user]").last).to_contain_text(own)
        expect(page.locator("#chat")).not_to_contain_text(other)
    assert left.locator("#chat [data-testid=bot]").last.inner_text() == answered
    cookie = next(each["value"] for each in guest.context.cookies() if each["name"] == COOKIE)
    store = ConversationStore(app.services.database)
    talk = store.latest_of(app.services.identity.of_cookie(cookie).id)
    assert talk is not None
    turns = {turn.id: turn for turn in store.turns(talk.id)}
    asked = {turn.content: turn for turn in turns.values() if turn.role == "user"}
    answers = [turn for turn in turns.values() if turn.role == "assistant"]
    assert sorted(turns[turn.parent_id or ""].content for turn in answers) == sorted((FIRST, LEFT, RIGHT))
    assert asked[LEFT].parent_id == asked[RIGHT].parent_id == answers[0].id and answers[0].parent_id == asked[FIRST].id
    left.reload()
    expect(left.locator(".fw-at").first).to_contain_text("/2")
    assert guest.troubles == []
    guest.context.close()
