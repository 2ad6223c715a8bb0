"""The page of decisions in a browser."""

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from tests.support.app import App
from tests.support.browser import visit
from tests.support.events import Caller

REVIEWER = Principal("local:reviewer:auditor", Role.REVIEWER)


@pytest.mark.browser
def test_a_decision_is_found_by_who_took_it(app: App, browser: Browser) -> None:
    new = NewExample([{"role": "user", "content": "which audits <i>were</i> there"}], "SELECT <b>41</b>")
    (id,), _ = ExampleStore(app.services.database).add_many([new], by=REVIEWER.id)
    app.services.curation.reject(REVIEWER, id, "for the <u>audit</u>")
    owner = visit(browser)
    owner.open(app.owner_link)
    page = owner.open(f"{app.url}/audit")
    page.get_by_label("By (the beginning of an id)").fill("local:reviewer:aud")
    page.get_by_role("button", name="Show", exact=True).click()
    row = page.locator("#audit tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("SELECT <b>41</b>")
    expect(row).to_contain_text("for the <u>audit</u>")
    expect(page.get_by_role("button", name="Older", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Check the ledger").click()
    expect(page.locator("#audit-verdict")).to_contain_text("records are as they were written", timeout=30_000)
    assert not owner.troubles
    owner.context.close()
    refused = Caller(app, REVIEWER).send("audit_verify", [])
    assert not refused.ok
