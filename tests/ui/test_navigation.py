"""What the navigation names to whom, on a phone: a guest is shown no page that then turns them away."""

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.roles import Role
from flywheel.ui.navigation import left_out
from tests.support.app import App
from tests.support.browser import visit

GUEST = ["Chat", "Corrections", "How this learns"]
OWNER = ["Chat", "Corrections", "Review", "Data", "Train", "Versions", "Audit", "Settings", "How this learns"]


def named(page: Page) -> list[str]:
    return [each.strip() for each in page.locator(".nav-holder a").all_inner_texts()]


def lines(page: Page) -> int:
    tops = "links => new Set(links.map((link) => Math.round(link.getBoundingClientRect().top))).size"
    return int(page.locator(".nav-holder a").evaluate_all(tops))


@pytest.mark.browser
def test_navigation_names_what_the_visitor_may_read(app: App, browser: Browser) -> None:
    visitor = visit(browser, size="phone")
    page = visitor.open(app.url)
    expect(page.locator("#consent")).to_be_visible()
    assert named(page) == GUEST and lines(page) == 1
    page.get_by_role("link", name="Corrections", exact=True).click()
    expect(page.get_by_role("heading", name="Corrections", level=1)).to_be_visible()
    assert named(page) == GUEST
    visitor.open(f"{app.url}/train")
    expect(page.get_by_text("The owner comes in by the link")).to_be_visible()
    assert named(page) == GUEST
    visitor.open(app.owner_link)
    assert named(page) == OWNER and lines(page) == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.troubles == []
    visitor.context.close()


def test_who_reviews_is_led_to_what_reviewers_read() -> None:
    assert left_out(Role.REVIEWER) == ["train", "versions", "settings"]
    assert (
        left_out(Role.ANONYMOUS) == left_out(Role.GUEST) == ["review", "data", "train", "versions", "audit", "settings"]
    )
    assert left_out(Role.OWNER) == []
