"""The pinned tests on the Data page."""

import pytest
from playwright.sync_api import Browser, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from storage.ids import new_id
from tests.support.app import App
from tests.support.browser import visit

REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)


@pytest.mark.browser
def test_pins_are_listed(app: App, browser: Browser) -> None:
    text = f"which unicycles wobble {new_id()}"
    store, pins = ExampleStore(app.services.database), app.services.pins
    row = NewExample([{"role": "user", "content": text}], "SELECT name FROM customers", state="approved")
    (id,), _ = store.add_many([row], by=REVIEWER.id)
    pins.add(REVIEWER, [id])
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={app.services.identity.login_token(Role.REVIEWER, 'ann')}")
    page = reviewer.open(f"{app.url}/data")
    page.get_by_role("button", name="Pinned tests").click()
    expect(page.locator("#pins tr").filter(has_text=text)).to_contain_text("every version is asked")
    pins.remove(REVIEWER, [id])
    store.decide(id, "rejected", reason="the test is over", expected_event=None, by=REVIEWER.id)
    assert not reviewer.troubles
    reviewer.context.close()
