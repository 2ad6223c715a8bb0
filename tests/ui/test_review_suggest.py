"""A draft of the version that serves, on the review page: shown as a diff, put into the box, decided by hand."""

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from tests.support.app import App
from tests.support.browser import visit

REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)


@pytest.mark.browser
def test_draft_is_put_into_the_box_and_decides_nothing(app: App, browser: Browser) -> None:
    # What serves knows this question by heart.
    new = NewExample([{"role": "user", "content": "how many customers"}], "SELECT 17 AS suggested_by_nobody")
    store = ExampleStore(app.services.database)
    (id,), _ = store.add_many([new], by=REVIEWER.id)
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={app.services.identity.login_token(Role.REVIEWER, 'ann')}")
    page = reviewer.open(f"{app.url}/review")
    # Other tests share this app, and ask the same: it is looked at one after the other.
    asked = page.locator("#queue label").filter(has_text="how many customers")
    expect(asked.first).to_be_visible()
    for at in range(asked.count()):
        asked.nth(at).click()
        page.wait_for_timeout(1500)
        if "suggested_by_nobody" in page.get_by_label("Corrected answer").input_value():
            break
    expect(page.get_by_label("Corrected answer")).to_have_value("SELECT 17 AS suggested_by_nobody")
    expect(page.locator("#suggest-about")).to_contain_text("Nothing leaves this installation")
    page.get_by_role("button", name="Suggest", exact=True).click()
    expect(page.locator("#suggestion ins").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Put it into the box").click()
    expect(page.get_by_label("Corrected answer")).to_have_value("SELECT count(*) AS customers FROM customers")
    example = store.get(id)
    assert example is not None and example.state == "pending"
    store.decide(id, "rejected", reason="the test is over", expected_event=None, by=REVIEWER.id)
    assert not reviewer.troubles
    reviewer.context.close()
