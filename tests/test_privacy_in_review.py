"""Personal data and secrets on the way from a chat to a dataset: seen, taken out or kept for a reason, never unseen."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import Conflict, Forbidden, InvalidInput
from flywheel.imports import import_bytes
from flywheel.tasks.chat import ChatTask
from storage.ledger import verify
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk

QUESTION, WRONG = "How do I reach Ann? Her old one was ann@example.com", "I do not know."
RIGHT = "Write to ann.lee@example.org or call +49 30 1234567."


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


def frozen_texts(desk: Desk) -> str:
    version = desk.datasets.freeze(OWNER).version.id
    rows = desk.datasets.rows(OWNER, version)
    return json.dumps([[row.prompt, row.completion] for row in rows])


def test_reviewer_is_told_by_type_only(desk: Desk) -> None:
    item = desk.curation.item(REVIEWER, desk.corrected(QUESTION, WRONG, RIGHT).id)
    assert item.private == "the prompt holds 1 EMAIL and the completion holds 1 EMAIL, 1 PHONE"
    assert desk.curation.item(REVIEWER, desk.corrected("Who?", WRONG, "Ann.").id).private is None


def test_personal_data_stop_an_approval(desk: Desk) -> None:
    example = desk.corrected(QUESTION, WRONG, RIGHT)
    with pytest.raises(InvalidInput, match=r"1 EMAIL, 1 PHONE\. Redact it, or"):
        desk.curation.approve(REVIEWER, example.id)
    with pytest.raises(InvalidInput, match="the prompt holds 1 EMAIL"):
        desk.curation.approve(REVIEWER, example.id, completion="Ask at the desk.", keep="  ")
    assert desk.curation.approve_many(REVIEWER, [example.id])[0] == []


def test_redacted_example_is_approved_and_frozen_without(desk: Desk) -> None:
    example = desk.corrected(QUESTION, WRONG, RIGHT)
    redacted = desk.curation.redact(REVIEWER, example.id, expected_event=example.event_id)
    assert redacted.state == "pending" and redacted.redacted
    assert redacted.completion == "Write to [EMAIL] or call [PHONE]."
    assert [waiting.prompt for waiting in desk.curation.inbox(REVIEWER)] == [redacted.prompt]
    assert desk.curation.approve(REVIEWER, example.id).provenance == "correction"
    texts = frozen_texts(desk)
    assert "Her old one was [EMAIL]" in texts and "@example" not in texts
    assert verify(desk.database).ok


def test_what_is_typed_into_the_box_is_redacted(desk: Desk) -> None:
    example = desk.corrected("Who?", WRONG, "Ann.")
    redacted = desk.curation.redact(REVIEWER, example.id, completion="It is bob@example.com")
    assert (redacted.completion, redacted.provenance) == ("It is [EMAIL]", "edited")
    assert not redacted.redacted


def test_prompt_stays_redacted_whatever_follows(desk: Desk) -> None:
    example = desk.corrected(QUESTION, WRONG, RIGHT)
    prompt = desk.curation.redact(REVIEWER, example.id).prompt
    for decide in (
        lambda: desk.curation.skip(REVIEWER, example.id),
        lambda: desk.curation.reopen(REVIEWER, example.id),
        lambda: desk.curation.approve(REVIEWER, example.id),
        lambda: desk.curation.reopen(REVIEWER, example.id),
        lambda: desk.curation.approve(REVIEWER, example.id, completion="Ask at the desk."),
    ):
        assert decide().prompt == prompt
        assert desk.curation.item(REVIEWER, example.id).example.prompt == prompt


def test_reason_for_keeping_is_stored_and_lets_it_through(desk: Desk) -> None:
    example = desk.corrected(QUESTION, WRONG, RIGHT)
    approved = desk.curation.approve(REVIEWER, example.id, keep="our own public address")
    assert approved.reason == "our own public address"
    assert "ann.lee@example.org" in frozen_texts(desk)


def test_reason_is_not_kept_where_nothing_was_found(desk: Desk) -> None:
    example = desk.corrected("Who?", WRONG, "Ann.")
    assert desk.curation.approve(REVIEWER, example.id, keep="left in the box").reason is None


def test_approved_import_with_personal_data_is_left_out_of_a_freeze(desk: Desk) -> None:
    rows = [{"prompt": "Who?", "completion": "Ann."}, {"prompt": "Where?", "completion": RIGHT}]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    assert import_bytes(desk.importer, REVIEWER, "rows.jsonl", content, approved=True).added == 2
    [refused] = desk.datasets.freeze(OWNER).refused
    assert refused["reason"] == "the completion holds 1 EMAIL, 1 PHONE: redact it, or approve it with a reason"
    again = desk.curation.redact(REVIEWER, refused["example_id"])
    assert again.state == "approved"
    assert desk.datasets.freeze(OWNER).refused == []


def test_approved_import_is_kept_for_a_reason(desk: Desk) -> None:
    [id] = desk.approved([("Where?", RIGHT)])
    with pytest.raises(InvalidInput, match="None of the 1 approved"):
        desk.datasets.freeze(OWNER)
    desk.curation.approve(REVIEWER, id, keep="public")
    with pytest.raises(Conflict, match="was approved"):
        desk.curation.approve(REVIEWER, id, keep="public")
    assert desk.datasets.freeze(OWNER).refused == []


def test_tags_do_not_make_a_wrong_answer_right(desk: Desk) -> None:
    example = desk.corrected("Where?", RIGHT, "", thumb=True)
    desk.curation.redact(REVIEWER, example.id)
    with pytest.raises(InvalidInput, match="very answer that was found wrong"):
        desk.curation.approve(REVIEWER, example.id)


def test_redaction_is_a_reviewers_and_never_on_old_text(desk: Desk) -> None:
    example = desk.corrected(QUESTION, WRONG, RIGHT)
    with pytest.raises(Forbidden):
        desk.curation.redact(GUEST, example.id)
    desk.curation.reject(REVIEWER, example.id, "private")
    with pytest.raises(Conflict, match="was rejected"):
        desk.curation.redact(REVIEWER, example.id, expected_event=example.event_id)
    desk.curation.redact(REVIEWER, example.id)
    with pytest.raises(Conflict, match="Nothing was found"):
        desk.curation.redact(REVIEWER, example.id)
