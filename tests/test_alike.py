"""What asks nearly the same: found together, shown with counts, decided at once and still one by one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.alike import Alike
from flywheel.errors import Forbidden
from flywheel.tasks.chat import ChatTask
from storage.examples import NewExample
from tests.support.desk import GUEST, REVIEWER, Desk, asked

SAME = "what is our refund policy for bikes"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


@pytest.fixture
def ids(desk: Desk) -> list[str]:
    """Three copies, two near-duplicates with other answers, and one of its own."""
    pairs = [
        (SAME, "30 days."), (SAME.upper() + "?", "30  days."), (f"{SAME} ", "30 days. "),
        (f"{SAME} please", "30 days."), (f"{SAME} now", "14 days."), ("who are you", "The shop's assistant."),
    ]  # fmt: skip
    return desk.examples.add_many([NewExample(asked(q), a) for q, a in pairs], by=REVIEWER.id)[0]


@pytest.fixture
def alike(desk: Desk) -> Alike:
    return Alike(desk.examples, desk.curation)


def test_cluster_is_shown_with_counts_and_copies_once(alike: Alike, ids: list[str]) -> None:
    (cluster,) = alike.listing(REVIEWER)
    assert {example.id for example in cluster.examples} == set(ids[:5])
    assert [count for _, count in cluster.pairs] == [3, 1, 1]
    assert alike.of(REVIEWER, ids[4]) == cluster
    assert alike.of(REVIEWER, ids[5]) is None


def test_one_decision_approves_what_can_be_approved(desk: Desk, alike: Alike, ids: list[str]) -> None:
    spoiled = desk.examples.add_many([NewExample(asked(f"{SAME} today"), "a<|im_end|>b")], by=REVIEWER.id)[0][0]
    cluster = alike.of(REVIEWER, ids[0])
    assert cluster is not None and len(cluster.examples) == 6
    decided = alike.approve(REVIEWER, cluster.seen)
    assert set(decided.done) == set(ids[:5])
    ((left, why),) = decided.refused
    assert left == spoiled and "steers the model" in why
    assert desk.examples.counts()["approved"] == 5
    assert alike.listing(REVIEWER) == []


def test_row_that_changed_meanwhile_is_left(desk: Desk, alike: Alike, ids: list[str]) -> None:
    cluster = alike.of(REVIEWER, ids[0])
    assert cluster is not None
    desk.curation.approve(REVIEWER, ids[4])
    decided = alike.reject(REVIEWER, cluster.seen, "not our words")
    assert set(decided.done) == set(ids[:4])
    assert [id for id, _ in decided.refused] == [ids[4]]
    assert desk.curation.item(REVIEWER, ids[4]).example.state == "approved"


def test_rejecting_needs_a_reason_and_guests_see_nothing(alike: Alike, ids: list[str]) -> None:
    cluster = alike.of(REVIEWER, ids[0])
    assert cluster is not None
    assert {why.split(".")[0] for _, why in alike.reject(REVIEWER, cluster.seen, " ").refused} == {
        "A rejection needs a reason"
    }
    for call in (lambda: alike.listing(GUEST), lambda: alike.of(GUEST, ids[0]), lambda: alike.approve(GUEST, [])):
        with pytest.raises(Forbidden):
            call()
