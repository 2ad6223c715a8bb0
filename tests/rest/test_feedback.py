"""Feedback of programs: on their own answers alone, once however often it is sent, and into the same inbox."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flywheel.roles import Principal, Role
from storage.feedback import FeedbackStore
from tests.rest.conftest import Program
from tests.rest.test_bad_input import told
from tests.support.app import App

REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)
BETTER = "SELECT count(*) FROM customers"


@pytest.fixture
def turn(guest: Program) -> str:
    """An answer that the guest's program got."""
    asked = [{"role": "user", "content": "how many customers"}]
    return guest.client.chat.completions.create(model="flywheel", messages=asked).id  # type: ignore[call-overload]


def send(program: Program, turn: str, **given: Any) -> dict[str, Any]:
    response = program.http.post("/v1/feedback", json={"turn_id": turn, **given})
    assert response.status_code == 200, response.text
    return dict(response.json())


def stands(app: App, program: Program, turn: str) -> tuple[str | None, list[str], str]:
    found = FeedbackStore(app.services.database).ratings([turn], by=program.owner)[turn]
    return found.rating, found.reasons, found.comment


def rows(app: App, turn: str) -> int:
    return int(app.services.database.value("SELECT count(*) FROM feedback WHERE turn_id = ?", [turn]))


def test_thumb_and_words_are_kept(app: App, guest: Program, turn: str) -> None:
    assert send(guest, turn, rating="down", reasons=["wrong_data"], comment="odd") == {
        "turn_id": turn, "rating": "down", "correction_id": None,
    }  # fmt: skip
    assert stands(app, guest, turn) == ("down", ["wrong_data"], "odd")


def test_what_is_not_given_stays(app: App, guest: Program, turn: str) -> None:
    send(guest, turn, rating="down", reasons=["wrong_data"])
    assert send(guest, turn, comment="the year")["rating"] == "down"
    assert stands(app, guest, turn) == ("down", ["wrong_data"], "the year")
    send(guest, turn, rating="up")
    assert stands(app, guest, turn) == ("up", [], "")


def test_null_alone_takes_the_thumb_back(app: App, guest: Program, turn: str) -> None:
    send(guest, turn, rating="up")
    assert send(guest, turn, rating=None)["rating"] is None
    assert stands(app, guest, turn)[0] is None


def test_correction_makes_a_pending_example(app: App, guest: Program, turn: str) -> None:
    answer = send(guest, turn, correction=f"```sql\n{BETTER}\n```", comment="shorter")
    assert answer["rating"] == "down" and answer["correction_id"]
    example = next(item for item in app.services.curation.inbox(REVIEWER, limit=500) if item.turn_id == turn)
    assert (example.completion, example.provenance, example.state) == (BETTER, "correction", "pending")
    assert example.prompt == [{"role": "user", "content": "how many customers"}]


def test_same_body_twice_is_one_feedback(app: App, guest: Program, turn: str) -> None:
    for given in ({"rating": "down", "comment": "no"}, {"rating": "down", "correction": BETTER}, {"rating": None}):
        first, count = send(guest, turn, **given), rows(app, turn)
        assert send(guest, turn, **given) == first
        assert rows(app, turn) == count
    examples = [item for item in app.services.curation.inbox(REVIEWER, limit=500) if item.turn_id == turn]
    assert len(examples) == 1


def test_same_body_side_by_side_is_one_feedback(app: App, guest: Program, turn: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: send(guest, turn, correction=BETTER, comment="no"), range(8)))
    assert len({one["correction_id"] for one in told}) == 1
    assert rows(app, turn) == 1


def test_correction_equal_to_the_answer_is_refused(guest: Program, turn: str) -> None:
    same = "  SELECT count(*) AS customers FROM customers \n"
    error = told(guest.http.post("/v1/feedback", json={"turn_id": turn, "correction": same}), 400)
    assert "the answer itself" in error["message"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"rating": None},
        {"comment": None, "reasons": None},
        {"rating": "good"},
        {"rating": True},
        {"reasons": ["no such reason"]},
        {"reasons": "wrong_data"},
        {"comment": "x" * 2001},
        {"correction": "   "},
        {"correction": "x" * 20_001},
        {"rating": "up", "correction": BETTER},
        {"rating": "up", "reasons": ["wrong_data"]},
        {"rating": None, "reasons": ["wrong_data"]},
        {"score": 1},
    ],
    ids=str,
)
def test_nothing_or_nonsense_is_400(app: App, guest: Program, turn: str, given: dict[str, Any]) -> None:
    told(guest.http.post("/v1/feedback", json={"turn_id": turn, **given}), 400)
    assert rows(app, turn) == 0


def test_foreign_and_unknown_turns_are_404(
    app: App, guest: Program, turn: str, program: Callable[..., Program]
) -> None:
    for other in (program(), program("owner")):
        foreign = other.http.post("/v1/feedback", json={"turn_id": turn, "rating": "down"})
        unknown = other.http.post("/v1/feedback", json={"turn_id": "0" * 26, "rating": "down"})
        assert told(foreign, 404) == told(unknown, 404)
        assert "page" not in told(unknown, 404)["message"] and "/v1/chat" in told(unknown, 404)["message"]
    for name in ("", "x", "../" + turn, turn.upper(), turn + "\n"):
        told(guest.http.post("/v1/feedback", json={"turn_id": name, "rating": "up"}), 404)
    assert rows(app, turn) == 0


def test_turn_of_a_person_at_the_page_is_foreign(app: App, guest: Program) -> None:
    *_, last = app.services.chat.reply(Principal("guest:" + "c" * 32, Role.GUEST), None, "who are you")
    told(guest.http.post("/v1/feedback", json={"turn_id": last.turn_id, "rating": "up"}), 404)
    assert rows(app, last.turn_id) == 0
