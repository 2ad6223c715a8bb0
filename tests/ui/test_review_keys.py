"""Thirty items of the inbox decided without a mouse, and nothing decided while a person types."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from tests.support.app import App
from tests.support.browser import visit

KIM = Principal("local:reviewer:kim", Role.REVIEWER)
WORD = "zeppelin"


def shown(page: Page) -> str:
    return page.locator("#item [data-item]").get_attribute("data-item") or ""


def press(page: Page, key: str, then: str = "") -> None:
    """Press a key and wait for the next item; `then` is typed into the field that the key opened."""
    before = shown(page)
    page.keyboard.press(key)
    if then:
        page.keyboard.type(then)
        page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('#item [data-item]')?.dataset.item !== before", arg=before)


def pins_of(app: App, ids: list[str]) -> list[str]:
    return [pin.id for pin in app.services.pins.listing(KIM) if pin.id in ids]


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for what is stored; the page shows it sooner."""
    for _ in range(300):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to hold")


def burst(page: Page, presses: int) -> tuple[set[str], int]:
    """`a` so often without a pause: the items that the page showed meanwhile, and how many presses it did not use."""
    page.evaluate("""() => { window.wasShown = new Set(); const look = () => {
        const it = document.querySelector('#item [data-item]'); if (it) window.wasShown.add(it.dataset.item); };
        const changes = {subtree: true, childList: true};
        look(); new MutationObserver(look).observe(document.querySelector('#item'), changes); }""")
    for _ in range(presses):
        page.keyboard.press("a")
    page.wait_for_function("() => !window.fwReview.busy()")
    expect(page.locator("#early")).to_contain_text("Not used:")
    unused = int(page.locator("#early").get_attribute("data-total") or "0")
    return {item.split()[0] for item in page.evaluate("[...window.wasShown]")}, unused


@pytest.mark.browser
def test_thirty_items_without_a_mouse(app: App, browser: Browser) -> None:
    rows = [
        NewExample([{"role": "user", "content": f"{WORD} {n}: how many?"}], "SELECT count(*) FROM customers")
        for n in range(32)
    ]
    store = ExampleStore(app.services.database)
    ids, _ = store.add_many(rows, by=KIM.id)
    reviewer = visit(browser)
    reviewer.open(f"{app.url}/enter?token={app.services.identity.login_token(Role.REVIEWER, 'kim')}")
    page = reviewer.open(f"{app.url}/review")
    expect(page.locator("#item [data-item]")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("undo your last decision")
    # Other tests share this app: only what is searched for is decided here.
    page.keyboard.press("/")
    page.keyboard.type(WORD)
    page.keyboard.press("Enter")
    expect(page.locator("#waiting")).to_contain_text("32 waiting")
    expect(page.locator("#item")).to_contain_text(WORD)
    page.wait_for_timeout(500)  # the fields beside the item are drawn with it, each by itself
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.type("airship, a s j k")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Tags (t)")).to_have_value("a s j k, airship")
    page.keyboard.press("Escape")
    assert app.services.inbox.tag_counts(KIM)["airship"] == 1
    page.keyboard.press("p")
    expect(page.get_by_label("Pin as a test (p)")).to_be_checked()
    until(page, lambda: len(pins_of(app, ids)) == 1)
    were_shown, unused = burst(page, 10)
    approved = [
        entry.subject for entry in app.services.audit.all(KIM) if entry.action == "approved" and entry.subject in ids
    ]
    assert len(approved) + unused == 10
    assert len(set(approved)) == len(approved) and set(approved) <= were_shown
    for number in range(len(approved), 30):
        if number == 23:
            press(page, "r", "not about us")
            page.keyboard.press("Escape")
        elif number == 25:
            press(page, "s")
            press(page, "u")
        elif number == 27:
            press(page, "j")
        else:
            press(page, "a")
    assert set(pins_of(app, ids)) <= set(approved)
    app.services.pins.remove(KIM, pins_of(app, ids))
    states = [example.state for example in store.named(ids).values()]
    assert states.count("approved") == 27 and states.count("rejected") == 1
    for id, example in store.named(ids).items():
        if example.state != "rejected":
            store.decide(id, "rejected", reason="the test is over", expected_event=None, by=KIM.id)
    assert not reviewer.troubles
    reviewer.context.close()
