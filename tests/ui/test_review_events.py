"""What the review page's events carry: the item that was on the page, whatever came next meanwhile."""

from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from storage.ids import new_id
from tests.support.app import App
from tests.support.events import Caller

ANN = Principal("local:reviewer:ann", Role.REVIEWER)
SQL = "SELECT count(*) FROM customers"


def test_a_decision_is_for_the_item_that_was_seen(app: App) -> None:
    store, mark = ExampleStore(app.services.database), new_id()
    rows = [NewExample([{"role": "user", "content": f"{mark} {n}"}], SQL) for n in range(3)]
    ids, _ = store.add_many(rows, by=ANN.id)
    page = Caller(app, ANN)
    assert page.send("review_search", [mark, *[""] * 5, "pending", "oldest", "", "", False]).ok
    first = f"{ids[0]} {store.named(ids)[ids[0]].event_id}"
    sent = {"review_approve": [first, SQL, "", None], "review_skip": [first, None]}
    assert page.send("review_approve", sent["review_approve"]).ok
    # The page shows the second item now; what was pressed on the first is not used for it.
    for event, data in {**sent, "review_reject": [first, "no", None]}.items():
        refused = page.send(event, data)
        assert not refused.ok and "was approved by <code>local:reviewer:ann</code>" in refused.error
    assert [store.named(ids)[id].state for id in ids] == ["approved", "pending", "pending"]
    for forged in ("", ids[1], f"{ids[1]} {ids[0]}", "nothing at all"):
        assert not page.send("review_approve", [forged, SQL, "", None]).ok
    assert store.named(ids)[ids[1]].state == "pending"
    for id in ids:
        store.decide(id, "rejected", reason="the test is over", expected_event=None, by=ANN.id)


def test_a_late_draft_is_not_put_into_another_items_box(app: App) -> None:
    store = ExampleStore(app.services.database)
    rows = [NewExample([{"role": "user", "content": f"how many customers {new_id()}"}], SQL) for _ in range(2)]
    ids, _ = store.add_many(rows, by=ANN.id)
    page, seen = Caller(app, ANN), [f"{id} {store.named(ids)[id].event_id}" for id in ids]
    assert page.send("suggest_ask", [seen[0]]).ok
    refused = page.send("suggest_take", [seen[1], None])
    assert not refused.ok and "another item" in refused.error
    assert page.send("suggest_take", [seen[0], None]).ok
    for id in ids:
        store.decide(id, "rejected", reason="the test is over", expected_event=None, by=ANN.id)
