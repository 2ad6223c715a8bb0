"""The browser of the tests: which program, how it is started, and what every page of it is watched for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.get_browser import chromium

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LEAVING = ("AbortError", "Connection errored out")
"""What the front end writes when a person leaves a page while it loads; nothing is wrong then."""
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


@contextmanager
def started() -> Iterator[Browser]:
    """A running Chromium; fails with the remedy where there is none."""
    path = chromium()
    assert path is not None, "No Chromium. Run `make browser`, which finds or installs one."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """One person at one browser: their page, and what went wrong on it."""

    context: BrowserContext
    page: Page
    troubles: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Load a page and wait for its first content."""
        self.page.goto(url)
        self.page.locator("main").first.wait_for()
        return self.page


def visit(browser: Browser, *, size: str = "desktop", dark: bool = False) -> Visitor:
    """A person nobody knows yet, with no cookie."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="en-GB"
    )
    context.set_default_timeout(30_000)
    visitor = Visitor(context, context.new_page())
    visitor.page.on("pageerror", lambda error: visitor.troubles.append(f"error: {error}"))
    visitor.page.on("dialog", lambda dialog: visitor.troubles.append(f"dialog: {dialog.message}"))
    visitor.page.on("console", lambda message: _note(visitor, message.type, message.text))
    return visitor


def ask(page: Page, question: str) -> None:
    """Send a question and wait for its whole answer."""
    badges = page.locator(".fw-version")
    before = badges.count()
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("textbox", name="Message").press("Enter")
    expect(badges).to_have_count(before + 1)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def _note(visitor: Visitor, kind: str, text: str) -> None:
    if kind == "error" and not any(words in text for words in LEAVING):
        visitor.troubles.append(f"console: {text}")
