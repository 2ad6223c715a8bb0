"""The owner's page of settings in a browser: invite a reviewer by a link, who comes in by a click, and end it."""

import pytest
from playwright.sync_api import Browser, expect

from tests.support.app import App
from tests.support.browser import visit

pytestmark = pytest.mark.browser
NAME = "settings-page"


def test_a_reviewer_is_invited_comes_in_and_is_ended(app: App, browser: Browser) -> None:
    owner = visit(browser)
    owner.open(app.owner_link)
    page = owner.open(f"{app.url}/settings")
    expect(page.locator("#settings")).to_contain_text(str(app.services.home.path))
    expect(page.locator("#reach")).to_contain_text("Only this machine can open this page")
    page.locator("#reviewer-name input, #reviewer-name textarea").fill(NAME)
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#invitation input, #invitation textarea")
    expect(link).to_be_visible(timeout=30_000)
    reviewer = visit(browser, size="phone")
    reviewer.page.goto(link.input_value())
    reviewer.page.get_by_role("button", name=f"Sign in as {NAME}").click()
    reviewer.page.locator("main").first.wait_for()
    reviewer.open(f"{app.url}/review")
    expect(reviewer.page.locator(".fw-gate").last).to_have_text("")
    app.services.invitations.revoke(app.services.identity.enter(app.services.home.owner_token()), NAME)
    reviewer.open(f"{app.url}/review")
    expect(reviewer.page.locator(".fw-gate").last).to_contain_text("This page is for reviewers")
    assert owner.troubles == reviewer.troubles == []
    owner.context.close()
    reviewer.context.close()
