"""Retry, edit, the switch between siblings and the list of chats, in a browser: wide, on a phone, by keyboard."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.app import App
from tests.support.browser import Visitor, visit

pytestmark = pytest.mark.browser
FIRST, SECOND = "how many customers", "who are you"


@pytest.fixture
def guest(app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser)
    visitor.open(app.url)
    yield visitor
    visitor.context.close()


def ask(page: Page, question: str, *, shown: int) -> None:
    """Send a question; so many answers are shown then."""
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("textbox", name="Message").press("Enter")
    done(page, shown)


def done(page: Page, shown: int) -> None:
    expect(page.locator("#chat .fw-version")).to_have_count(shown)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_attached()


def test_retry_and_switch_survive_a_reload(guest: Visitor) -> None:
    page = guest.page
    ask(page, FIRST, shown=1)
    page.get_by_role("button", name="Like", exact=True).click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".fw-at")).to_have_text("2/2")
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    expect(page.get_by_role("button", name="Next answer")).to_be_disabled()
    page.get_by_role("button", name="Previous answer").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fw-at")).to_have_text("1/2")
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.reload()
    expect(page.locator(".fw-at")).to_have_text("1/2")
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    assert guest.troubles == []


def test_changed_question_is_a_branch(guest: Visitor) -> None:
    page = guest.page
    ask(page, FIRST, shown=1)
    ask(page, "show me all customers", shown=2)
    # By keyboard: the end of an answer scrolls the chat under a pointer that was on its way.
    page.get_by_role("button", name="Edit question").first.press("Enter")
    box = page.get_by_role("textbox", name="Changed question")
    expect(box).to_have_value(FIRST)
    box.fill(SECOND)
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".fw-at")).to_have_text("2/2")
    done(page, 1)
    expect(page.locator("#chat .user").first).to_have_text(re.compile(SECOND))
    expect(box).to_be_hidden()
    page.get_by_role("button", name="Previous question").click()
    expect(page.locator("#chat .fw-version")).to_have_count(2)
    expect(page.locator("#chat .user").last).to_have_text("show me all customers")
    assert guest.troubles == []


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_chats_are_listed_renamed_searched_and_deleted(app: App, browser: Browser, size: str) -> None:
    visitor = visit(browser, size=size, dark=size == "phone")
    page = visitor.open(app.url)
    chats, on_phone = page.locator("#conversations"), size == "phone"
    ask(page, FIRST, shown=1)
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#chat .fw-version")).to_have_count(0)
    ask(page, SECOND, shown=1)
    if on_phone:
        expect(chats).to_be_hidden()
        page.get_by_role("button", name="Chats", exact=True).press("Enter")
    expect(chats.get_by_role("button")).to_have_count(2)
    expect(chats.locator("[aria-current=true]")).to_contain_text(SECOND)
    chats.get_by_role("button", name=re.compile(FIRST)).click()
    expect(page.locator("#chat .user").first).to_have_text(FIRST)
    if on_phone:
        expect(chats).to_be_hidden()
        page.get_by_role("button", name="Chats", exact=True).click()
    expect(chats.locator("[aria-current=true]")).to_contain_text(FIRST)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New title").fill("Bikes <b>bold</b>")
    page.get_by_label("New title").press("Enter")
    expect(chats.locator("[aria-current=true]")).to_contain_text("Bikes <b>bold</b>")
    page.get_by_label("Search chats").fill("bold")
    expect(chats.get_by_role("button")).to_have_count(1)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this chat").click()
    expect(chats).to_contain_text("None of your chats has these words")
    page.get_by_label("Search chats").fill("")
    expect(chats.get_by_role("button")).to_have_count(1)
    if on_phone:
        page.keyboard.press("Escape")
        expect(chats).to_be_hidden()
    expect(page.locator("#chat .fw-version")).to_have_count(0)
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("textbox", name="Message")).to_be_in_viewport()
    assert visitor.troubles == []
    visitor.context.close()


def test_a_button_that_is_drawn_anew_while_pressed_is_clicked(guest: Visitor) -> None:
    page = guest.page
    ask(page, FIRST, shown=1)
    edit = page.get_by_role("button", name="Edit question")
    edit.hover()
    page.mouse.down()
    edit.evaluate("button => button.replaceWith(button.cloneNode(true))")
    page.mouse.up()
    expect(page.get_by_role("textbox", name="Changed question")).to_have_value(FIRST)
    page.get_by_role("button", name="Keep question").click()
    expect(page.locator("#edit-question")).to_be_hidden()
    page.locator("#message textarea").click()
    expect(page.locator("#edit-question")).to_be_hidden()
    assert guest.troubles == []
