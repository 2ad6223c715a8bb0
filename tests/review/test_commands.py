"""The inbox without a browser: found, tagged, put off, brought back."""

from collections.abc import Iterator
from typing import Any

import pytest

from flywheel import inbox, parser, report_dataset
from flywheel.errors import Conflict, InvalidInput
from flywheel.operations.table import perform
from flywheel.queue_entries import Filters
from flywheel.roles import Principal, Role
from storage.examples import ExampleStore, NewExample
from storage.ids import new_id
from tests.support.app import App

LEE = Principal("local:reviewer:lee", Role.REVIEWER)


@pytest.fixture
def waiting(app: App) -> Iterator[str]:
    store = ExampleStore(app.services.database)
    row = NewExample([{"role": "user", "content": f"Which tandems rattle, {new_id()}?"}], "SELECT name FROM customers")
    [id], _ = store.add_many([row], by=LEE.id)
    yield id
    store.decide(id, "rejected", reason="the test is over", expected_event=None, by=LEE.id)


def results(app: App, action: str, command: str = "review", **args: Any) -> list[dict[str, Any]]:
    events = perform(app.services, LEE, command, {"action": action, **args})
    return [event["result"] for event in events if "result" in event]


def test_items_are_found_tagged_and_put_off(app: App, waiting: str) -> None:
    [found] = results(app, "list", text="TANDEMS rattle")
    assert found["id"] == waiting and found["tags"] == ()
    assert results(app, "tag", ids=[waiting], add=["Noise", "bikes"], remove=["absent"]) == [{"changed": 2}]
    assert [row["id"] for row in results(app, "list", tag="noise", order="newest")] == [waiting]
    assert results(app, "tags")[0]["noise"] == 1
    before = results(app, "numbers")[0]["today"]
    assert results(app, "skip", ids=[waiting])[0]["skipped_hours"] == 24
    assert results(app, "list", text="tandems rattle") == []
    assert results(app, "numbers")[0]["today"] == before + 1
    assert results(app, "reopen", ids=[waiting])[0]["state"] == "pending"
    assert results(app, "show", ids=[waiting])[0]["tags"] == ("bikes", "noise")


def test_shown_item_is_held_and_its_holder_named(app: App, waiting: str) -> None:
    other = Principal("local:reviewer:moe", Role.REVIEWER)
    assert results(app, "show", ids=[waiting])[0]["held_by"] is None
    assert waiting not in [row.id for row in app.services.inbox.page(other, Filters(text="tandems rattle")).entries]
    events = list(perform(app.services, other, "review", {"action": "show", "ids": [waiting]}))
    assert events[-1]["result"]["held_by"] == LEE.id
    assert "local:reviewer:lee is looking at this item" in events[0]["progress"]
    with pytest.raises(Conflict, match="is looking at this example now"):
        app.services.curation.approve(other, waiting)


def test_an_approved_item_is_pinned_and_listed(app: App, waiting: str) -> None:
    assert results(app, "approve", ids=[waiting], pin=True)[0]["approved"] == [waiting]
    [pin] = [row for row in results(app, "list", "pins") if row["id"] == waiting]
    assert pin["in_force"] and pin["by"] == LEE.id
    told = report_dataset.pins(pin)
    assert told.startswith(f"{waiting}  Which tandems rattle") and told.endswith(f"by {LEE.id}, {pin['pinned']:%F}")
    assert results(app, "add", "pins", ids=[waiting]) == [{"pinned": 0, "asked": 1}]
    assert results(app, "remove", "pins", ids=[waiting]) == [{"removed": 1, "asked": 1}]
    assert waiting not in [row["id"] for row in results(app, "list", "pins")]


def test_wrong_use_is_told(app: App, waiting: str) -> None:
    with pytest.raises(InvalidInput, match="Nothing to tag with"):
        results(app, "tag", ids=[waiting])
    with pytest.raises(InvalidInput, match="`--since soon` is no day"):
        results(app, "list", since="soon")


def test_parser_knows_the_states_of_the_inbox() -> None:
    assert parser.STATES == inbox.STATES
