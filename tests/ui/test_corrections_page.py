"""Correcting on a phone, and being told what became of it."""

from collections.abc import Iterator
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.app import App, serving, settings_for
from tests.support.browser import Visitor, visit
from tests.support.lessons import School
from tests.support.tiny import make_tiny_model
from tests.ui.test_chat_page import ask, principal

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def quiet_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own, whose promotions concern nobody else; nothing is asked of its model."""
    folder = tmp_path_factory.mktemp("learned")
    with serving(settings_for(folder / "home", base_model=str(make_tiny_model(folder / "base")))) as running:
        yield running


@pytest.fixture
def phone(browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser, size="phone")
    yield visitor
    visitor.context.close()


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= 390"))


def test_correcting_on_a_phone_from_thumb_to_waiting(app: App, phone: Visitor) -> None:
    page = phone.open(app.url)
    ask(page, "how many customers")
    page.locator("#consent-yes").click()
    expect(page.locator("#consent")).to_be_hidden()
    page.get_by_role("button", name="Dislike", exact=True).click()
    page.get_by_label("Wrong filter or period").click()
    expect(page.locator("#noted")).to_contain_text("Noted")
    box = page.get_by_role("textbox", name="Corrected answer", exact=True)
    box.fill("SELECT count(*) AS customers FROM customers WHERE name IS NOT NULL")
    expect(page.locator("#difference ins")).to_contain_text("WHERE name IS NOT NULL")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#tried")).to_contain_text("makes no difference to the result")
    box.fill("SELECT 4711 AS n")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#tried")).to_contain_text("The results differ")
    expect(page.locator("#tried section").last).to_contain_text("4711")
    assert fits(page)
    page.get_by_role("button", name="Send correction").click()
    page.locator("#thanks a").click()
    card = page.locator(".fw-lesson")
    expect(card).to_contain_text("A reviewer has not decided yet")
    expect(card.locator("ins").first).to_contain_text("4711")
    assert fits(page) and phone.troubles == []


def test_what_was_learned_is_told_once_and_can_be_asked_again(quiet_app: App, phone: Visitor) -> None:
    page = phone.open(f"{quiet_app.url}/corrections")
    expect(page.get_by_text("You have corrected nothing yet")).to_be_visible()
    school, who = School(quiet_app.services.home, quiet_app.services.database), principal(quiet_app, phone)
    examples = [school.approved(who, f"how many in {city}?", "SELECT 1", f"SELECT {city!r}") for city in "ab"]
    school.promoted(version := school.trained(school.frozen({"train": examples})))
    page = phone.open(quiet_app.url)
    notice = page.locator("#learned")
    expect(notice).to_contain_text(f"Version {version} has learned 2 of your corrections.")
    assert fits(page)
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_be_hidden()
    page.reload()
    expect(page.get_by_text("how many in b?")).to_be_visible()
    expect(notice).to_be_hidden()
    page.goto(f"{quiet_app.url}/corrections")
    first = page.locator(".fw-lesson").first
    expect(first).to_contain_text(f"In dataset d1, learned in {version}.")
    assert fits(page)
    first.get_by_role("link").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("how many in b?")
    assert urlparse(page.url).path == "/" and phone.troubles == []
