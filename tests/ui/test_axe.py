"""axe-core on every page: nothing serious or critical, light and dark, desktop and phone; nothing too wide or small."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.app import App
from tests.support.browser import Visitor, ask, visit

pytestmark = pytest.mark.browser
GRAVE = ("serious", "critical")
AXE = Axe()
# Colours that still change are no colours to judge.
DARK = """(dark) => { document.body.classList.toggle('dark', dark);
  return new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 150)); }"""
UNFOLD = """() => { document.querySelectorAll('button.label-wrap:not(.open)').forEach((button) => button.click());
  return new Promise((done) => setTimeout(done, 400)); }"""
# What is out of sight stays listed although it has ended.
NO_FADING = """() => !document.getAnimations().some(
  (one) => one instanceof CSSTransition && one.playState !== 'finished')"""
TOO_SMALL = """() => [...document.querySelectorAll('button, a[href], summary, input, textarea')].filter((element) => {
  // What is clicked for a box or a choice is its label, for a list the frame around it.
  const target = element.closest('label, .wrap, .input-container') ?? element;
  const style = getComputedStyle(element), {width, height} = target.getBoundingClientRect();
  const inText = element.tagName === 'A' && style.display === 'inline';
  return element.checkVisibility({visibilityProperty: true}) && width && !inText && Math.min(width, height) < 31.5;
}).map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module", params=["desktop", "phone"])
def owner(request: pytest.FixtureRequest, app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser, size=request.param)
    visitor.open(app.owner_link)
    yield visitor
    visitor.context.close()


def grave(page: Page) -> list[str]:
    """What axe finds grave in both themes, with where it is."""
    found = []
    page.emulate_media(reduced_motion="reduce")
    for dark in (False, True):
        page.evaluate(DARK, dark)
        # Colours fade into the other theme; what is judged is where they end.
        page.wait_for_timeout(700)
        page.wait_for_function(NO_FADING)
        for finding in AXE.run(page).response["violations"]:
            where = [node["target"] for node in finding["nodes"]]
            found += [f"{'dark' if dark else 'light'}: {finding['id']} {where}"] * (finding["impact"] in GRAVE)
    page.evaluate(DARK, False)
    return found


def is_fit(page: Page) -> None:
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert page.evaluate(TOO_SMALL) == []


@pytest.mark.parametrize(
    "path", ["/corrections", "/how-it-learns", "/review", "/data", "/train", "/versions", "/audit", "/settings"]
)
def test_page_is_accessible(owner: Visitor, app: App, path: str) -> None:
    page = owner.open(app.url + path)
    expect(page.locator("h1")).to_be_visible()
    expect(
        page.locator(
            "#wheel li, #reach li, #learns li, #corrections :is(.fw-empty, article), #audit :is(td, .fw-empty)"
        ).first
    ).to_be_visible()
    page.evaluate(UNFOLD)
    is_fit(page)


def test_chat_is_accessible_empty_asked_and_corrected(app: App, owner: Visitor, browser: Browser) -> None:
    size = owner.page.viewport_size
    assert size is not None
    guest = visit(browser, size="phone" if size["width"] < 640 else "desktop")
    page = guest.open(app.url)
    expect(page.locator("#consent")).to_be_visible()
    is_fit(page)
    ask(page, "show me all customers")
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.locator("#correction")).to_be_visible()
    page.get_by_role("button", name="Your data").click()
    expect(page.locator("#learn-all")).to_be_visible()
    is_fit(page)
    guest.context.close()
