"""Pinned tests and the leak guard: what is tested is never trained on, however it came in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel.datasets import Datasets
from flywheel.errors import Conflict, Forbidden, InvalidInput, NotFound
from flywheel.gathering import FrozenRow, gather
from flywheel.leakguard import Asked, Reserved, leaks, question
from flywheel.neighbours import normalise
from flywheel.pins import Pins
from flywheel.splitting import SIDES, Entry, Side, split
from flywheel.tasks.chat import ChatTask
from storage.examples import Example
from storage.pins import PinStore
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk, asked, rules
from tests.support.steps import finish

TASK = ChatTask("Be kind.")
PAIRS = [(f"question {i} about thing {i} and part {i}", f"answer {i}") for i in range(1, 31)]
GENERAL = [asked("Who sells most?")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", TASK)
    yield opened
    opened.database.close()


@pytest.fixture
def pins(desk: Desk) -> Pins:
    """Pins that the desk's freezes know, and a general suite of one question."""
    made = Pins(PinStore(desk.database), desk.examples)
    reserved = lambda: Reserved([example.id for example in made.in_force()], GENERAL)  # noqa: E731
    desk.datasets = Datasets(desk.frozen, desk.examples, TASK, desk.home, rules, desk.guard, reserved=reserved)
    return made


def texts(desk: Desk, dataset: str, side: str | None = None) -> set[str]:
    return {row.prompt[-1]["content"] for row in desk.datasets.rows(OWNER, dataset, side)}


def test_a_pin_and_what_asks_the_same_are_left_out_and_listed(desk: Desk, pins: Pins) -> None:
    pinned, *_ = desk.approved([("How many gears has it?", "Seven."), *PAIRS])
    [same] = desk.approved([("how many  GEARS has it", "Seven gears.")], split="train")
    before = desk.datasets.freeze(OWNER).version
    assert pins.add(REVIEWER, [pinned]) == 1 and pins.add(REVIEWER, [pinned]) == 0
    after = desk.datasets.freeze(OWNER)
    reasons = {entry["example_id"]: entry["reason"] for entry in after.refused}
    assert reasons == {
        pinned: "it is a pinned test, which is never trained on",
        same: f"it asks the same question as the pinned test `{pinned}`",
    }
    assert len(texts(desk, before.id)) - len(texts(desk, after.version.id)) == 2
    left_out = desk.datasets.report(OWNER)["left_out"]
    assert left_out["it is a pinned test, which is never trained on"] == 1
    assert pins.remove(REVIEWER, [pinned]) == 1
    assert desk.datasets.freeze(OWNER).version.id == before.id


def test_what_the_general_suite_asks_is_left_out(desk: Desk, pins: Pins) -> None:
    ids = desk.approved([("who sells most", "Kestrel"), *PAIRS])
    assert desk.datasets.freeze(OWNER).refused == [
        {"example_id": ids[0], "reason": "the general suite asks the same question"}
    ]


def test_a_pin_goes_with_its_author(desk: Desk, pins: Pins) -> None:
    example = desk.corrected("Where is it?", "there", "here")
    desk.curation.approve(REVIEWER, example.id)
    pins.add(REVIEWER, [example.id])
    assert [pin.question for pin in pins.listing(REVIEWER)] == ["Where is it?"]
    desk.consents.choose(GUEST.id, "no", by=GUEST.id)
    assert pins.listing(REVIEWER) == pins.in_force() == []


def test_a_pin_rests_while_its_example_is_undecided(desk: Desk, pins: Pins) -> None:
    example = desk.corrected("Where is it?", "there", "here")
    pins.add(REVIEWER, [example.id])
    assert [pin.in_force for pin in pins.listing(REVIEWER)] == [False] and pins.in_force() == []
    desk.curation.approve(REVIEWER, example.id)
    assert [pin.id for pin in pins.in_force()] == [example.id]


def test_who_may_pin_what(desk: Desk, pins: Pins) -> None:
    example = desk.corrected("Where is it?", "there", "here")
    desk.curation.reject(REVIEWER, example.id, "no")
    with pytest.raises(InvalidInput, match=r"is `rejected`\. Only what is approved can be pinned"):
        pins.add(REVIEWER, [example.id])
    with pytest.raises(Forbidden):
        pins.add(GUEST, [example.id])
    [pinned] = desk.approved([("How many?", "Two.")])
    pins.add(OWNER, [pinned])
    with pytest.raises(Forbidden):
        pins.remove(REVIEWER, [pinned])
    with pytest.raises(NotFound, match=f"`{example.id}` is not pinned"):
        pins.remove(OWNER, [example.id])


def test_the_same_question_as_a_row_fixed_for_training_is_never_tested() -> None:
    others = [Entry(f"e{i}", f"question {i} about thing {i * 7}") for i in range(40)]
    fixed = [Entry(f"f{i}", entry.text, fixed="train") for i, entry in enumerate(others)]
    result = split(others + fixed)
    assert {place.side for place in result.placements.values()} == {"train"}


QUESTIONS = st.sampled_from(
    ["How many?", "how  many", "Who sells most?", "WHO sells most", "Which one?", "where is it"]
)
ROWS = st.lists(
    st.tuples(QUESTIONS, st.sampled_from(["a", "b"]), st.sampled_from([None, None, *SIDES]), st.booleans(),
              st.sampled_from([None, None, *SIDES])),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_nothing_tested_is_ever_trained(rows: list[tuple[str, str, Side | None, bool, Side | None]]) -> None:
    examples = [example(f"e{i}", text, answer, side) for i, (text, answer, side, _, _) in enumerate(rows)]
    pins = [f"e{i}" for i, row in enumerate(rows) if row[3]]
    placed: dict[str, tuple[str, str]] = {f"e{i}": (row[2] or row[4], "g") for i, row in enumerate(rows) if row[4]}
    try:
        made = finish(gather(examples, placed, lambda id: None, TASK, rules(), reserved=Reserved(pins, GENERAL)))
    except (Conflict, InvalidInput) as error:
        # The rules leave nothing to the guard behind them: it speaks only when they are broken.
        assert "would be trained" not in str(error)
        return
    trained = {normalise(question(row.prompt)) for row in made.rows if row.side == "train"}
    tested = {normalise(question(row.prompt)) for row in made.rows if row.side != "train"}
    pinned = {normalise(rows[int(id[1:])][0]) for id in pins}
    assert not trained & (tested | pinned | {"who sells most"})
    assert {row.example_id for row in made.rows} | made.refused.keys() == {each.id for each in examples}


def test_the_guard_names_the_pairs() -> None:
    rows = [FrozenRow("a", "train", "g", asked("How many?"), "2", "imported"),
            FrozenRow("b", "test", "h", asked("how many"), "2", "imported"),
            FrozenRow("c", "train", "i", asked("Who sells most?"), "Ann", "imported")]  # fmt: skip
    found = leaks(rows, Asked({"how many": "p"}, frozenset(["who sells most"])))
    assert found == [
        "“how many” is for `train` as `a`, and it asks the same question as the pinned test `p`",
        "“who sells most” is for `train` as `c`, and the general suite asks the same question",
        "“how many” is for `train` as `a` and for `test` as `b`",
    ]


def example(id: str, text: str, completion: str, side: Side | None) -> Example:
    now = datetime.now(UTC)
    return Example(
        id, "imported", None, None, asked(text), completion, None, None, side, "import", [], "", now, OWNER.id,
        "approved", None, OWNER.id, now, "event",
    )  # fmt: skip
