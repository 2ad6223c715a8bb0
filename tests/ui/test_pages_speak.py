"""With another language pages hold no English of their own: a language in brackets shows what would."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.words import catalogue
from tests.support.app import App, serving, settings_for
from tests.support.browser import visit
from tests.support.pseudo import CLOSES, OPENS, pseudo_file

pytestmark = pytest.mark.browser
SHOWN = """() => {
  // Names, code, people's and models' words, figures, and what the page library says of itself.
  const data = 'code, pre, time, textarea, th:not(.fw-table thead th), td, svg, footer, script, style, '
    + '.fw-version, .fw-badge, .fw-name, [data-testid=status-tracker], #import-file button, '
    + '#queue label span, .fw-talk, .fw-diff, dd, '
    + '.message.user, .message.bot .md > p:first-child, .example-text';
  const root = document.querySelector('.gradio-container'), parts = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.parentElement;
    if (!at.closest(data) && at.checkVisibility({visibilityProperty: true})) parts.push(node.data);
  }
  document.querySelectorAll('[placeholder], .fw-act[title]').forEach((element) => {
    if (element.checkVisibility()) parts.push(element.placeholder || element.title || '');
  });
  return parts.join(' | ');
}"""
UNFOLD = "document.querySelectorAll('button.label-wrap:not(.open)').forEach((button) => button.click())"
KNOWN = re.compile(r"local:reviewer:|http://\S+|SQL|v\d+|[dv]\d+|customers")
"""`customers` is the head that the model's own statement gave a column."""


@pytest.fixture(scope="module")
def foreign(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("foreign")
    was = app.services.settings
    settings = settings_for(
        folder / "home", base_model=was.base_model, system_prompt=was.system_prompt, language=str(pseudo_file(folder))
    )
    try:
        with serving(settings) as running:
            yield running
    finally:
        catalogue.use("en")


def outside(page: Page) -> list[str]:
    """Words that stand in no brackets."""
    found, depth, word = [], 0, ""
    for sign in page.evaluate(SHOWN) + "|":
        if sign in OPENS + CLOSES + "|" or depth:
            found.append(word)
            word = ""
            depth += (sign == OPENS) - (sign == CLOSES)
        else:
            word += sign
    return [each.strip() for each in found if re.search(r"[^\W\d_]{2,}", KNOWN.sub("", each))]


def test_pages_speak_the_language_set(foreign: App, browser: Browser) -> None:
    visitor = visit(browser)
    page = visitor.open(foreign.url)
    expect(page.locator("#consent")).to_be_visible()
    assert outside(page) == []
    page.locator("#consent-yes").click()
    page.locator("#message textarea").fill("how many customers")
    page.locator("#message textarea").press("Enter")
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.locator("#correction")).to_be_visible()
    page.evaluate(UNFOLD)
    expect(page.locator("#learn-all")).to_be_visible()
    assert outside(page) == []
    for path in ("/corrections", "/how-it-learns"):
        visitor.open(foreign.url + path)
        expect(page.locator("#corrections .fw-empty, #learns li").first).to_be_visible()
        assert outside(page) == []
    visitor.open(foreign.owner_link)
    for path in ("/train", "/versions", "/settings"):
        visitor.open(foreign.url + path)
        expect(page.locator("#runs, #versions, #settings table").first).to_be_attached()
        expect(page.locator("#wheel li, #reach li").first).to_be_visible()
        assert outside(page) == []
    for path, shown in (
        ("/data", "#examples .fw-empty"),
        ("/review", "#item dt"),
        ("/audit", "#audit .fw-empty, #audit td"),
    ):
        visitor.open(foreign.url + path)
        expect(page.locator(shown).first).to_be_visible()
        page.evaluate(UNFOLD)
        assert outside(page) == []
    visitor.context.close()
