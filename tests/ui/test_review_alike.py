"""The review page's panel for what asks nearly the same, in a browser."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from tests.support.app import App
from tests.support.browser import visit

REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)


@pytest.mark.browser
def test_cluster_is_approved_in_one_press(app: App, browser: Browser) -> None:
    same = "which frames did the workshop in oslo paint green last winter"
    rows = [
        NewExample([{"role": "user", "content": f"{same} {end}".strip()}], "SELECT count(*) FROM customers")
        for end in ("", "please", "exactly")
    ]
    store = ExampleStore(app.services.database)
    ids, _ = store.add_many(rows, by=REVIEWER.id)
    # What was found before stands for some seconds where finding took long.
    until(lambda: app.services.alike.of(REVIEWER, ids[0]) is not None)
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={app.services.identity.login_token(Role.REVIEWER, 'ann')}")
    page = reviewer.open(f"{app.url}/review")
    page.locator("#queue label").filter(has_text="workshop in oslo").first.click()
    expect(page.locator("#alike")).to_contain_text("2 others wait that ask nearly the same.")
    expect(page.locator("#alike")).to_contain_text("All propose the same answer.")
    page.get_by_role("button", name="Approve all of these").click()
    expect(page.locator("#queue label").filter(has_text="workshop in oslo")).to_have_count(0, timeout=15_000)
    assert {store.get(id).state for id in ids} == {"approved"}  # type: ignore[union-attr]
    for id in ids:
        store.decide(id, "rejected", reason="the test is over", expected_event=None, by=REVIEWER.id)
    assert not reviewer.troubles
    reviewer.context.close()
