"""Review: what a reviewer sees, and which decisions stand."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flywheel.errors import Conflict, FlywheelError, Forbidden, InvalidInput, NotFound
from flywheel.roles import Principal, Role
from flywheel.tasks.build import sample_database
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from storage.home import Home
from tests.support.desk import GUEST, OWNER, REVIEWER, STARTER_DATA, Desk

TEXT = "Paris is the capital of France."


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


@pytest.fixture(scope="module")
def sql_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("sql") / "home"
    sandbox = SqlSandbox(sample_database(Home.open(path)))
    task = SqlTask(sandbox, system_prompt="", single_turn=True, examples=())
    opened = Desk.open(path, task)
    yield opened
    opened.database.close()
    task.close()


def test_correction_waits_with_its_conversation(desk: Desk) -> None:
    example = desk.corrected("capital of France?", "It is Lyon.", TEXT)
    assert [waiting.id for waiting in desk.curation.inbox(REVIEWER)] == [example.id]
    item = desk.curation.item(REVIEWER, example.id)
    assert [turn.content for turn in item.thread] == ["capital of France?", "It is Lyon."]
    assert "".join(text for op, text in item.diff if op in ("same", "added")) == TEXT
    assert item.problem is None
    assert item.outcome is None


def test_guest_sees_no_inbox(desk: Desk) -> None:
    example = desk.corrected("q", "a", "b")
    curation = desk.curation
    for call in (
        lambda: curation.inbox(GUEST),
        lambda: curation.item(GUEST, example.id),
        lambda: curation.approve(GUEST, example.id),
        lambda: curation.reject(GUEST, example.id, "no"),
        lambda: curation.skip(GUEST, example.id),
        lambda: curation.reopen(GUEST, example.id),
        lambda: curation.approve_many(GUEST, [example.id]),
        lambda: curation.load_phrasings(GUEST, "big_ticket"),
        lambda: curation.load_example_corrections(GUEST, "big_ticket"),
        lambda: curation.listing(GUEST),
        lambda: curation.counts(GUEST),
        lambda: curation.approved_sides(GUEST),
    ):
        with pytest.raises(Forbidden):
            call()
    assert desk.examples.counts()["pending"] == 1


def test_approved_correction_leaves_the_inbox(desk: Desk) -> None:
    example = desk.corrected("capital of France?", "Lyon", TEXT)
    approved = desk.curation.approve(REVIEWER, example.id, expected_event=example.event_id)
    assert (approved.state, approved.completion, approved.decided_by) == ("approved", TEXT, REVIEWER.id)
    assert desk.curation.inbox(REVIEWER) == []


def test_edited_completion_is_what_was_approved(desk: Desk) -> None:
    example = desk.corrected("capital of France?", "Lyon", TEXT)
    approved = desk.curation.approve(REVIEWER, example.id, completion="Paris.\n")
    assert (approved.completion, approved.provenance) == ("Paris.", "edited")


@pytest.mark.parametrize(
    ("completion", "words"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("a<|im_end|>b", "`<|im_end|>`"),
        ("nul\0l", "null character"),
        ("half \ud800", "half a character"),
        ("word " * 300, "306 tokens, and at most 200 fit"),
    ],
)
def test_unusable_completion_cannot_be_approved(desk: Desk, completion: str, words: str) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    with pytest.raises(InvalidInput, match="cannot be approved") as error:
        desk.curation.approve(REVIEWER, example.id, completion=completion)
    assert words in str(error.value)
    assert desk.curation.item(REVIEWER, example.id).example.state == "pending"


def test_thumb_alone_cannot_be_approved(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", "", thumb=True)
    with pytest.raises(InvalidInput, match="very answer that was found wrong"):
        desk.curation.approve(REVIEWER, example.id)
    with pytest.raises(InvalidInput, match="very answer that was found wrong"):
        desk.curation.approve(REVIEWER, example.id, completion=" Lyon ")
    assert desk.curation.approve(REVIEWER, example.id, completion="Paris").provenance == "edited"


def test_stale_decision_names_who_and_when(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    bob = Principal("local:reviewer:bob", Role.REVIEWER)
    desk.curation.reject(bob, example.id, "a doubt", expected_event=example.event_id)
    with pytest.raises(Conflict, match=r"was rejected by `local:reviewer:bob` on \d{4}-\d\d-\d\d at .* UTC"):
        desk.curation.approve(REVIEWER, example.id, expected_event=example.event_id)
    assert desk.curation.item(REVIEWER, example.id).example.state == "rejected"


def test_stale_decision_does_not_name_a_guest(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", "", thumb=True)
    desk.examples.decide(example.id, "withdrawn", expected_event=None, by=GUEST.id)
    with pytest.raises(Conflict) as error:
        desk.curation.reject(REVIEWER, example.id, "x", expected_event=example.event_id)
    assert "withdrawn by its author by `guest:012345`" in str(error.value)


def test_changed_correction_makes_a_decision_stale(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    assert example.turn_id and example.conversation_id
    desk.examples.propose(
        provenance="correction",
        turn_id=example.turn_id,
        conversation_id=example.conversation_id,
        prompt=example.prompt,
        completion="Paris",
        answer="Lyon",
        version="v0",
        by=GUEST.id,
    )
    with pytest.raises(Conflict, match="changed by its author"):
        desk.curation.approve(REVIEWER, example.id, expected_event=example.event_id)


def test_one_of_many_at_once_decides(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)

    def decide(number: int) -> str:
        who = Principal(f"local:reviewer:{number}", Role.REVIEWER)
        try:
            if number % 2:
                return desk.curation.approve(who, example.id, expected_event=example.event_id).decided_by or ""
            return desk.curation.reject(who, example.id, "no", expected_event=example.event_id).decided_by or ""
        except Conflict:
            return ""

    with ThreadPoolExecutor(8) as pool:
        winners = [name for name in pool.map(decide, range(8)) if name]
    assert winners == [desk.curation.item(REVIEWER, example.id).example.decided_by]


def test_rejection_needs_a_reason(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    with pytest.raises(InvalidInput, match="needs a reason"):
        desk.curation.reject(REVIEWER, example.id, "  ")
    assert desk.curation.reject(REVIEWER, example.id, " wrong fact ").reason == "wrong fact"


def test_reopened_example_waits_again_as_proposed(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    desk.curation.approve(REVIEWER, example.id, completion="Paris")
    reopened = desk.curation.reopen(REVIEWER, example.id)
    assert (reopened.state, reopened.completion) == ("pending", TEXT)
    with pytest.raises(Conflict, match="put back into the inbox"):
        desk.curation.reopen(REVIEWER, example.id)


def test_only_what_waits_is_skipped(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    desk.curation.approve(REVIEWER, example.id)
    with pytest.raises(Conflict, match="was approved by"):
        desk.curation.skip(REVIEWER, example.id)


def test_many_are_approved_and_the_rest_explained(desk: Desk) -> None:
    good = desk.corrected("q1?", "a", "b")
    bad = desk.corrected("q2?", "a", "", thumb=True)
    approved, refused = desk.curation.approve_many(REVIEWER, [good.id, bad.id, "nonsense"])
    assert approved == [good.id]
    assert [id for id, _ in refused] == [bad.id, "nonsense"]
    assert "no example `nonsense`" in refused[1][1]


def test_approving_twice_says_so(desk: Desk) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    desk.curation.approve(REVIEWER, example.id)
    with pytest.raises(Conflict, match="was approved by `local:reviewer:ann`"):
        desk.curation.approve(OWNER, example.id)


def test_unknown_example_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no example `nope`"):
        desk.curation.item(REVIEWER, "nope")


def test_proposed_sql_is_executed(sql_desk: Desk) -> None:
    example = sql_desk.corrected("how many orders", "SELECT 1", "SELECT count(*) FROM orders")
    item = sql_desk.curation.item(REVIEWER, example.id)
    assert item.outcome is not None and item.outcome.rows[0][0] > 0
    assert sql_desk.curation.item(REVIEWER, example.id, completion="SELECT 7").outcome.rows == [[7]]  # type: ignore[union-attr]
    assert sql_desk.curation.item(REVIEWER, example.id).example.completion == "SELECT count(*) FROM orders"


@pytest.mark.parametrize(
    "statement", ["DROP TABLE orders", "SELECT nothing FROM orders", "SELECT * FROM read_text('/etc/passwd')", "SELECT"]
)
def test_sql_that_fails_cannot_be_approved(sql_desk: Desk, statement: str) -> None:
    example = sql_desk.corrected(f"try {statement}", "SELECT 1", statement)
    with pytest.raises(InvalidInput, match="cannot be approved"):
        sql_desk.curation.approve(REVIEWER, example.id)
    assert sql_desk.curation.item(REVIEWER, example.id).problem


def test_refusal_in_words_can_be_approved(sql_desk: Desk) -> None:
    example = sql_desk.corrected("delete all orders", "SELECT 1", "I can only read the data.")
    assert sql_desk.curation.approve(REVIEWER, example.id).state == "approved"


def test_bundled_corrections_load_once(desk: Desk) -> None:
    for term in desk.curation.terms():
        lines = (STARTER_DATA / "corrections" / f"{term}.jsonl").read_text().splitlines()
        assert desk.curation.load_example_corrections(REVIEWER, term) == len(lines)
        assert desk.curation.load_example_corrections(REVIEWER, term) == 0
    first = desk.curation.inbox(REVIEWER)[0]
    assert (first.provenance, first.state, first.source.split(":")[0]) == ("correction", "pending", "starter")
    assert desk.curation.item(REVIEWER, first.id).thread == []


def test_bundled_corrections_can_all_be_approved(sql_desk: Desk) -> None:
    sql_desk.curation.load_example_corrections(OWNER, "big_ticket")
    ids = [e.id for e in sql_desk.curation.listing(OWNER, "pending", 500) if e.source == "starter:big_ticket"]
    approved, refused = sql_desk.curation.approve_many(OWNER, ids)
    assert len(approved) == len(ids) >= 30
    assert refused == []


def test_bundled_phrasings_are_test_rows(desk: Desk) -> None:
    added = desk.curation.load_phrasings(REVIEWER, "big_ticket")
    assert added >= 60
    assert desk.curation.approved_sides(REVIEWER) == {"test": added}
    assert desk.curation.load_phrasings(REVIEWER, "big_ticket") == 0


def test_unknown_term_names_the_known_ones(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="`big_ticket`"):
        desk.curation.load_phrasings(REVIEWER, "../replay")


def test_other_base_has_no_bundled_data(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "home", ChatTask(), bundled=None)
    assert desk.curation.terms() == []
    with pytest.raises(InvalidInput, match="another model is configured"):
        desk.curation.load_example_corrections(REVIEWER, "big_ticket")
    desk.database.close()


def test_every_error_is_a_sentence_or_two(desk: Desk) -> None:
    with pytest.raises(FlywheelError) as error:
        desk.curation.approve(REVIEWER, "x" * 5000)
    assert len(str(error.value)) < 200
    assert json.dumps(str(error.value))
