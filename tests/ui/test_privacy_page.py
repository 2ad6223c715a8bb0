"""What a visitor decides of their own words, in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from tests.support.app import App
from tests.support.browser import Visitor, visit

pytestmark = pytest.mark.browser
REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)


@pytest.fixture
def guest(app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser, size="phone")
    visitor.open(app.url)
    yield visitor
    visitor.context.close()


def asked(guest: Visitor) -> None:
    box = guest.page.get_by_role("textbox", name="Message")
    box.fill("how many customers")
    box.press("Enter")
    expect(guest.page.locator(".fw-version")).to_have_count(1)


def test_a_thumb_is_kept_and_learnt_from_after_a_yes(app: App, guest: Visitor) -> None:
    page, before = guest.page, len(app.services.curation.inbox(REVIEWER, limit=500))
    expect(page.locator("#consent")).to_contain_text("You can chat either way")
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.locator("#consent")).to_be_hidden()
    asked(guest)
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.locator("#consent")).to_contain_text("does not learn from it unless you allow it")
    assert len(app.services.curation.inbox(REVIEWER, limit=500)) == before
    page.get_by_role("button", name="Yes").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#consent")).to_be_hidden()
    assert len(app.services.curation.inbox(REVIEWER, limit=500)) == before + 1
    page.reload()
    page.get_by_role("button", name="Your data").click()
    expect(page.get_by_label("Flywheel may learn from what I write here")).to_be_checked()
    expect(page.locator("#consent")).to_be_hidden()
    with page.expect_response(lambda answer: "queue/join" in answer.url):
        page.get_by_label("Don't learn from this conversation").click()
    expect(page.get_by_label("Don't learn from this conversation")).to_be_checked()
    page.wait_for_timeout(1500)  # a reload would cut what is being stored
    page.reload()
    page.get_by_role("button", name="Your data").click()
    expect(page.get_by_label("Don't learn from this conversation")).to_be_checked()
    assert len(app.services.curation.inbox(REVIEWER, limit=500)) == before
    assert guest.troubles == []


def test_ones_data_are_downloaded_and_deleted(app: App, guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    asked(guest)
    page.get_by_role("button", name="Your data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my data").click()
    download.value.save_as(tmp_path / "data.json")
    data = json.loads((tmp_path / "data.json").read_text())
    assert [turn["content"] for turn in data["turns"] if turn["role"] == "user"] == ["how many customers"]
    page.get_by_role("button", name="Delete my data").click()
    page.get_by_role("button", name="Delete all of it now").click()
    expect(page.locator("#deleted")).to_contain_text("Deleted: 2 messages")
    expect(page.locator("#chat .bot")).to_have_count(0)
    expect(page.locator("#consent")).to_be_visible()
    assert guest.troubles == []


def test_a_conversation_is_left_out_before_it_begins(app: App, guest: Visitor) -> None:
    page, before = guest.page, len(app.services.curation.inbox(REVIEWER, limit=500))
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#consent")).to_be_hidden()
    page.get_by_role("button", name="Your data").click()
    switch = page.get_by_label("Don't learn from this conversation")
    switch.click()
    expect(switch).to_be_checked()
    page.get_by_role("button", name="Your data").click()
    page.get_by_role("button", name="Your data").click()
    expect(switch).to_be_checked()
    asked(guest)
    expect(switch).to_be_checked()
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.locator("#reasons")).to_be_visible()
    assert len(app.services.curation.inbox(REVIEWER, limit=500)) == before
    page.get_by_role("button", name="New chat").click()
    expect(switch).not_to_be_checked()
    # What is wrong with an answer is not asked where that answer no longer is.
    expect(page.locator("#reasons")).to_be_hidden()
    asked(guest)
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.locator("#reasons")).to_be_visible()
    assert len(app.services.curation.inbox(REVIEWER, limit=500)) == before + 1
    assert guest.troubles == []
