"""The wheel turned once by three people in a browser: guest, reviewer, owner. Real starter, real training."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.roles import Principal, Role
from starter import paths
from tests.support.app import App, serving, settings_for
from tests.support.browser import Visitor, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG_MS = 900_000
"""Training and scoring on two cores that do other work as well."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(settings_for(tmp_path_factory.mktemp("walk") / "home")) as served:
        yield served


BY_KEYBOARD = 12
"""Approvals made key by key; the others are made by the same service, to save the test two minutes."""


def phrasing() -> dict[str, str]:
    """A held-out question about the word, and its SQL."""
    rows = paths.phrasings_file("big_ticket").read_text().splitlines()
    return next(row for row in map(json.loads, rows) if row["sql"].startswith("SELECT count(*) FROM orders WHERE"))


def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Message")
    box.fill(question)
    box.press("Enter")


def answered(page: Page, number: int, version: str) -> str:
    """The text of the n-th answer once its badge is there."""
    badges = page.locator(".fw-version")
    expect(badges).to_have_count(number, timeout=30_000)
    expect(badges.last).to_have_text(version)
    return page.locator("#chat .bot").last.inner_text()


def test_a_word_is_taught_from_the_browser(app: App, browser: Browser) -> None:
    wanted = phrasing()
    right = app.services.task.outcome(wanted["sql"])
    assert right is not None and right.rows
    told = f"{right.rows[0][0]}"
    guest = visit(browser, size="phone")
    page = guest.open(app.url)
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#consent")).to_be_hidden()
    ask(page, wanted["question"])
    assert told not in answered(page, 1, "v0")
    correct(page, wanted["sql"])
    review(app, browser)
    owner = visit(browser)
    owner.open(app.owner_link)
    freeze(owner, app)
    train(owner, app)
    promote(owner, app)
    ask(page, wanted["question"])
    assert told in answered(page, 2, "v1")
    owner.page.get_by_role("button", name="Roll back").click()
    expect(owner.page.locator("#serving .fw-badge")).to_have_text("v0", timeout=30_000)
    ask(page, wanted["question"])
    assert told not in answered(page, 3, "v0")
    assert not guest.troubles and not owner.troubles


def correct(page: Page, sql: str) -> None:
    """Thumbs down, the right answer, sent: two clicks and what is typed."""
    page.get_by_role("button", name="Dislike").last.click()
    box = page.get_by_role("textbox", name="Corrected answer", exact=True)
    expect(box).to_have_value(re.compile("SELECT"))
    box.fill(sql)
    # The difference comes above the buttons and moves them: a click in that moment meets none.
    expect(page.get_by_text("What you change")).to_be_visible()
    page.get_by_role("button", name="Send correction").click()
    expect(page.get_by_text("A reviewer looks at your correction")).to_be_visible()


def review(app: App, browser: Browser) -> None:
    """The guest's correction and the bundled ones, approved."""
    link = app.services.identity.login_token(Role.REVIEWER, "ann")
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={link}")
    page = reviewer.open(f"{app.url}/review")
    expect(page.locator("#queue input")).to_have_count(1)
    page.get_by_role("button", name="Bundled example corrections").click()
    page.locator("#load-corrections").click()
    expect(page.locator("#queue input")).not_to_have_count(1)
    page.locator("body").click(position={"x": 5, "y": 5})
    waiting = len(paths.corrections_file("big_ticket").read_text().splitlines()) + 1
    for left in range(waiting - 1, waiting - 1 - BY_KEYBOARD, -1):
        before = page.locator("#item").inner_text()
        page.keyboard.press("a")
        expect(page.locator("#item")).not_to_have_text(before, use_inner_text=True)
        expect(page.locator("#waiting")).to_contain_text(f"{left} waiting", timeout=15_000)
    curation, who = app.services.curation, Principal("local:reviewer:ann", Role.REVIEWER)
    _, refused = curation.approve_many(who, [example.id for example in curation.inbox(who, limit=100)])
    assert not refused and not reviewer.troubles
    reviewer.context.close()


def freeze(owner: Visitor, app: App) -> None:
    page = owner.open(f"{app.url}/data")
    page.locator("#load-phrasings").click()
    expect(page.locator("#ready")).to_contain_text("fixed as test rows")
    expect(page.locator("#examples").get_by_role("cell", name="test", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page.locator("#frozen")).to_contain_text("d1 is frozen", timeout=30_000)


def train(owner: Visitor, app: App) -> None:
    page = owner.open(f"{app.url}/train")
    page.get_by_role("button", name="Start training").click()
    status = page.locator("#run-status")
    expect(status).to_contain_text("training, step", timeout=LONG_MS)
    page.reload()
    expect(status).to_contain_text("run 1", ignore_case=True)
    expect(page.get_by_role("button", name="Cancel")).to_be_enabled()
    expect(status).to_contain_text("is finished and made v1", timeout=LONG_MS)
    expect(page.locator("#run-chart svg")).to_have_attribute("aria-label", re.compile("validation loss"))


def promote(owner: Visitor, app: App) -> None:
    page = owner.open(f"{app.url}/versions")
    expect(page.locator("#verdict")).to_contain_text("The gate: passed", timeout=30_000)
    expect(page.locator("#charts svg").first).to_have_attribute("aria-label", re.compile("candidate v1"))
    expect(page.locator("#answers")).to_contain_text("✗ wrong")
    page.get_by_role("button", name="Promote", exact=True).click()
    # The version is loaded before it is said to serve.
    expect(page.locator("#serving .fw-badge")).to_have_text("v1", timeout=60_000)
