"""Going on from a correction, in a browser: on a wide window and on a phone."""

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal
from tests.support.app import App
from tests.support.browser import Visitor, visit

pytestmark = pytest.mark.browser
QUESTION, BETTER = "how many customers", "SELECT 4711 AS customers"


def who(app: App, visitor: Visitor) -> Principal:
    return app.services.identity.of({c["name"]: c["value"] for c in visitor.context.cookies()})


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_chat_goes_on_from_the_correction(app: App, browser: Browser, size: str) -> None:
    visitor = visit(browser, size=size)
    page = visitor.open(app.url)
    box = page.get_by_role("textbox", name="Message")
    box.fill(QUESTION)
    box.press("Enter")
    page.get_by_role("button", name="Dislike", exact=True).click()
    corrected = page.get_by_role("textbox", name="Corrected answer", exact=True)
    expect(corrected).to_have_value("SELECT count(*) AS customers FROM customers")
    corrected.fill(BETTER)
    # The difference comes above the buttons and moves them: a click in that moment meets none.
    expect(page.get_by_text("What you change")).to_be_visible()
    page.get_by_role("button", name="Send correction").click()
    go_on = page.get_by_role("button", name="Go on from the corrected answer")
    go_on.focus()
    page.keyboard.press("Enter")
    last = page.locator("#chat .bot").last
    expect(last).to_contain_text("4711")
    expect(last).to_contain_text("the conversation goes on from it")
    expect(page.locator(".fw-at")).to_have_text("2/2")
    expect(go_on).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box.fill("who are you")
    box.press("Enter")
    expect(page.locator("#chat .user")).to_have_count(2)
    expect(page.locator("#chat .fw-version")).to_have_count(1)
    page.reload()
    expect(page.locator("#chat .bot").first).to_contain_text("4711")
    thread = app.services.chat.thread(who(app, visitor), None)
    assert [item.turn.content for item in thread.items[:3]] == [QUESTION, BETTER, "who are you"]
    assert BETTER in thread.items[-1].turn.details["rendered_prompt"]
    page.get_by_role("button", name="Previous answer").click()
    expect(page.locator("#chat .user")).to_have_count(1)
    assert visitor.troubles == []
    visitor.context.close()
