"""The Data page: rows brought in by a file, what is in them before a freeze, and what cannot be had from the Hub."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from tests.support.app import App
from tests.support.browser import visit

pytestmark = pytest.mark.browser
ROW = '{"prompt": "how many stores of kind %d are there", "completion": "I cannot say that."}\n'


def test_rows_come_in_and_are_reported(app: App, browser: Browser, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(ROW % i for i in range(3)) + "{\n")
    owner = visit(browser)
    owner.open(app.owner_link)
    page = owner.open(f"{app.url}/data")
    page.locator("button.label-wrap", has_text="Import").first.click()
    page.locator("#import-file input[type=file]").set_input_files(str(rows))
    # The name stands there while it is sent; the link, when it is here.
    expect(page.locator("#import-file a[download]")).to_have_count(1)
    page.locator("#import-approved input").click()
    page.locator("#import").click()
    expect(page.locator("#imported")).to_contain_text("3 added, 0 here already, 1 bad", timeout=30_000)
    expect(page.locator("#imported").get_by_role("cell", name="4", exact=True)).to_be_visible()
    page.locator("#show-report").click()
    report = page.locator("#report")
    expect(report.locator("svg").first).to_be_visible(timeout=30_000)
    expect(report.locator("mark.fw-trained").first).to_be_visible()
    told = app.services.datasets.report(Principal("local:owner", Role.OWNER))
    expect(report).to_contain_text(f"A freeze now: {told['rows']['all']} rows")
    who = Principal("local:owner", Role.OWNER)
    ids = {row.prompt[-1]["content"][24:25]: row.id for row in app.services.curation.listing(who, "approved", 3)}
    app.services.inbox.set_tags(who, ids["1"], ["storeys"])
    page.get_by_label("rejected", exact=True).click()
    expect(page.locator("#examples")).not_to_contain_text("how many stores of kind")
    page.get_by_label("approved", exact=True).click()
    expect(page.locator("#examples")).to_contain_text("how many stores of kind 0")
    page.locator("#tag input").click()
    page.get_by_role("option", name="storeys (1)").click()
    expect(page.locator("#examples")).not_to_contain_text("how many stores of kind 0")
    expect(page.locator("#examples")).to_contain_text("how many stores of kind 1")
    app.services.inbox.set_tags(who, ids["1"], [])
    page.get_by_label("Dataset on the Hub").fill("not a name")
    page.locator("#import-hub").click()
    expect(page.get_by_text("is no name of a dataset on the Hub").first).to_be_visible()
    assert not owner.troubles
    owner.context.close()
