"""By keyboard and ear alone: what has the focus is seen, Escape closes and goes back, a whole answer is announced."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.app import App
from tests.support.browser import SIZES, Visitor, ask, visit

pytestmark = pytest.mark.browser
HAS_RING = """() => { const rings = (e) => { const s = getComputedStyle(e);
    return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; };
  const at = document.activeElement;
  const name = at.outerHTML.slice(0, 160), body = at === document.body;
  return {name, body, ring: rings(at) || rings(at.parentElement)}; }"""
FONTS = """() => [...new Set([...document.querySelectorAll('.gradio-container *')].map(
  (e) => getComputedStyle(e).fontFamily.split(',')[0]))]"""


@pytest.fixture
def guest(app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser)
    visitor.open(app.url)
    yield visitor
    visitor.context.close()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


def test_every_stop_of_the_tab_key_shows_a_ring(guest: Visitor) -> None:
    page = guest.page
    ask(page, "how many customers")
    page.locator("nav a").first.focus()
    stops = []
    for _ in range(60):
        stop = page.evaluate(HAS_RING)
        if stop["body"]:
            break
        stops.append(stop)
        page.keyboard.press("Tab")
    assert [stop["name"] for stop in stops if not stop["ring"]] == []
    names = " ".join(stop["name"] for stop in stops)
    for part in ("Like", "Dislike", "fw-retry", "fw-edit", "fw-open", "new-chat", "label-wrap", "how-it-learns"):
        assert part in names, f"{part} cannot be reached by Tab"
    assert set(page.evaluate(FONTS)) == {"system-ui", "ui-monospace"}


def test_panels_open_by_key_close_by_escape_and_give_the_focus_back(guest: Visitor) -> None:
    page = guest.page
    ask(page, "how many customers")
    page.get_by_role("button", name="Dislike", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reasons input").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#correction")).to_be_hidden()
    page.wait_for_function("() => document.activeElement.matches('#chat button')")
    assert focused(page) in ("Disliked", "Dislike")
    page.locator("#delete").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#keep-chat")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#delete")).to_be_focused()
    assert guest.troubles == []


def test_a_whole_answer_is_announced_and_its_pieces_are_not(guest: Visitor) -> None:
    page = guest.page
    ask(page, "how many customers")
    expect(page.locator("#chat [role=log]")).to_have_attribute("aria-live", "off")
    expect(page.locator(".fw-said[role=status][aria-live=polite]")).to_contain_text("Answer ready.")
    page.get_by_role("textbox", name="Message").fill("x" * 9000)
    page.get_by_role("textbox", name="Message").press("Enter")
    expect(page.get_by_test_id("toast-body")).to_have_attribute("aria-live", "polite")


def test_how_this_learns_counts_what_is_here_and_fits_a_phone(app: App, browser: Browser) -> None:
    visitor = visit(browser, size="phone")
    page = visitor.open(app.url)
    page.locator("#learns-link a").click()
    expect(page.get_by_role("heading", name="How this learns")).to_be_visible()
    expect(page.locator("#learns li")).to_have_count(7)
    expect(page.locator("#learns li").last).to_contain_text(f"{app.services.versions.served()} answers now.")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    assert visitor.troubles == []
    visitor.context.close()
