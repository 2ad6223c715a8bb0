"""Personal data on the review page: marked, stopped, redacted with a key, kept for a reason."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from tests.support.app import App
from tests.support.browser import visit
from tests.support.events import Caller

REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)
SQL = "SELECT name FROM customers WHERE email = '{}'"


@pytest.fixture
def waiting(app: App) -> Iterator[str]:
    """An example whose question and SQL hold an address; put aside at the end."""
    rows = [
        NewExample([{"role": "user", "content": f"Whose is <b>{name}@example.com?"}], SQL.format(f"{name}@example.com"))
        for name in ("ann",)
    ]
    store = ExampleStore(app.services.database)
    added, _ = store.add_many(rows, by=REVIEWER.id)
    id = added[0] if added else store.listing()[0].id
    if not added:
        store.decide(id, "reopened", expected_event=None, by=REVIEWER.id)
    yield id
    store.decide(id, "rejected", reason="the test is over", expected_event=None, by=REVIEWER.id)


def test_events_mark_stop_and_keep(app: App, waiting: str) -> None:
    caller, curation = Caller(app, REVIEWER), app.services.curation
    assert caller.send("review_open", []).ok
    opened = caller.send("review_item", [waiting])
    assert "<mark" in opened.data[0] and "&lt;b&gt;" in opened.data[0] and "1 EMAIL" in opened.data[2]
    text = SQL.format("ann@example.com")
    seen = f"{waiting} {curation.item(REVIEWER, waiting).example.event_id}"
    refused = caller.send("review_approve", [seen, text, "", None])
    assert not refused.ok and "Redact it, or give a reason" in refused.error
    assert caller.send("review_approve", [seen, text, "our own address", None]).ok
    kept = curation.item(REVIEWER, waiting).example
    assert (kept.state, kept.reason) == ("approved", "our own address")


@pytest.mark.browser
def test_one_key_redacts_what_was_found(app: App, browser: Browser, waiting: str) -> None:
    link = app.services.identity.login_token(Role.REVIEWER, "ann")
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={link}")
    page = reviewer.open(f"{app.url}/review")
    # Other tests share this app, and what they left may come first.
    page.locator("#queue label").filter(has_text="Whose is").first.click()
    expect(page.locator("#item mark")).to_contain_text("ann@example.com")
    expect(page.locator("#result")).to_contain_text("the completion holds 1 EMAIL")
    expect(page.get_by_role("button", name="Redact", exact=True)).to_be_visible()
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("a")
    expect(page.get_by_text("Redact it, or give a reason").first).to_be_visible()
    expect(page.locator("#item mark")).to_contain_text("ann@example.com")
    page.keyboard.press("x")
    expect(page.get_by_label("Corrected answer")).to_have_value(SQL.format("[EMAIL]"))
    expect(page.locator("#item")).to_contain_text("Whose is <b>[EMAIL]?")
    expect(page.get_by_role("button", name="Redact", exact=True)).to_be_hidden()
    page.keyboard.press("a")
    expect(page.locator("#queue label").filter(has_text="Whose is")).to_have_count(0, timeout=15_000)
    example = app.services.curation.item(REVIEWER, waiting).example
    assert (example.state, example.completion) == ("approved", SQL.format("[EMAIL]"))
    assert not reviewer.troubles
    reviewer.context.close()
