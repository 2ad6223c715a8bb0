"""Two reviewers at two browsers: a filtered list, an item that one holds, and one that goes to both."""

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from storage.ids import new_id
from tests.support.app import App
from tests.support.browser import Visitor, visit

IDA = Principal("local:reviewer:ida", Role.REVIEWER)


def decide(page: Page, key: str) -> None:
    """Press a key where nobody types."""
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press(key)


def filtered(app: App, browser: Browser, name: str, tag: str, count: int) -> tuple[Visitor, Page]:
    """A reviewer at the list of what has a tag; `count` of it is there for them."""
    visitor = visit(browser)
    visitor.open(f"{app.url}/enter?token={app.services.identity.login_token(Role.REVIEWER, name)}")
    page = visitor.open(f"{app.url}/review")
    expect(page.locator("#item [data-item]")).to_be_visible()
    page.get_by_role("button", name="Filter and order").click()
    page.locator("#filter-tag input").click()
    page.get_by_role("option", name=f"{tag} (2)").click()
    expect(page.locator("#queue label").filter(has_text=tag)).to_have_count(count)
    return visitor, page


@pytest.mark.browser
def test_two_reviewers_share_an_inbox(app: App, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    # The app of the tests asks for no second reviewer; here everything goes to two.
    monkeypatch.setattr(app.services.inbox._eyes, "_share", 1.0)
    tag, store = f"duo-{new_id()[-8:]}", ExampleStore(app.services.database)
    asked = [f"{tag}: which kites are red", f"{tag}: who mends sails in Oslo"]
    rows = [
        NewExample([{"role": "user", "content": text}], "SELECT count(*) FROM customers", tags=[tag]) for text in asked
    ]
    ids, _ = store.add_many(rows, by=IDA.id)
    ida, hers = filtered(app, browser, "ida", tag, 2)
    # A click on a list that is being drawn anew hits nothing.
    expect(hers.locator("#item")).to_contain_text(tag)
    hers.wait_for_timeout(1000)
    hers.locator("#queue label").filter(has_text=asked[0]).click()
    expect(hers.locator("#item")).to_contain_text(asked[0])
    # What she has open is not in his list; the other one is open for him.
    odo, his = filtered(app, browser, "odo", tag, 1)
    expect(his.locator("#item")).to_contain_text(asked[1])
    decide(hers, "a")
    expect(hers.get_by_text("Another reviewer judges this item too.")).to_be_visible()
    expect(hers.locator("#waiting")).to_contain_text("Nothing matches.")
    assert [store.named(ids)[id].state for id in ids] == ["pending", "pending"]
    decide(his, "a")
    expect(his.locator("#item")).to_contain_text(asked[0])
    decide(his, "a")
    expect(his.locator("#waiting")).to_contain_text("Nothing matches.")
    # Both have judged the first; the second waits for her.
    assert [store.named(ids)[id].state for id in ids] == ["approved", "pending"]
    for id in ids:
        store.decide(id, "rejected", reason="the test is over", expected_event=None, by=IDA.id)
    for visitor in (ida, odo):
        assert not visitor.troubles
        visitor.context.close()
