"""Drafts for the inbox: by a real server over HTTP, or by what serves; shown, never stored or approved."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.errors import FlywheelError, Forbidden
from flywheel.settings import read
from flywheel.suggestions import Suggestions
from flywheel.tasks.chat import ChatTask
from flywheel.teacher import Patience, Teacher
from storage.drafts import DraftStore
from storage.examples import Example
from storage.own_words import in_own_words
from tests.support.desk import GUEST, REVIEWER, Desk
from tests.support.openai_server import OpenAIServer, openai_server

QUICK = Patience(connect=1, silence=0.5, total=5, tries=2, first_pause=0.02, longest_pause=0.05)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


@pytest.fixture
def example(desk: Desk) -> Example:
    made = desk.corrected("Where does ann@example.com live?", "In Lyon.", "In Paris, I think.")
    assert made.turn_id and made.conversation_id
    return desk.examples.propose(
        provenance="correction", turn_id=made.turn_id, conversation_id=made.conversation_id, prompt=made.prompt,
        completion=made.completion, answer=made.answer, version="v0", reasons=["wrong_fact"], comment="she moved",
        by=GUEST.id,
    )  # fmt: skip


def suggestions(desk: Desk, server: OpenAIServer) -> Suggestions:
    settings = replace(read({}), teacher_model="parrot", teacher_base_url=server.url)
    task = ChatTask("Be kind.")
    # With a teacher the engine is asked nothing.
    teacher, drafts = Teacher(settings, QUICK), DraftStore(desk.database)
    return Suggestions(desk.curation, teacher, None, task, lambda: "v0", drafts)  # type: ignore[arg-type]


def test_teacher_is_told_what_was_wrong_and_nothing_private(desk: Desk, server: OpenAIServer, example: Example) -> None:
    server.answer = lambda messages: "In Paris."
    made = suggestions(desk, server).draft(REVIEWER, example.id)
    assert (made.text, made.by, made.problem) == ("In Paris.", "parrot", None)
    assert "".join(text for op, text in made.diff if op != "removed") == "In Paris."
    sent = "\n".join(message["content"] for message in server.asked[0]["messages"])
    for part in ("Be kind.", "In Lyon.", "In Paris, I think.", "[EMAIL]", "wrong fact", "she moved"):
        assert part in sent
    assert "ann@example.com" not in sent


def test_draft_decides_nothing_and_its_text_is_not_kept(desk: Desk, server: OpenAIServer, example: Example) -> None:
    server.answer = lambda messages: "In Marrakesh."
    suggestions(desk, server).draft(REVIEWER, example.id)
    tables = [str(desk.database.rows(f'SELECT * FROM "{table}"')) for table in desk.database.tables]
    assert not any("Marrakesh" in rows for rows in tables)
    assert desk.curation.item(REVIEWER, example.id).example == example


def test_draft_that_cannot_be_approved_says_why(desk: Desk, server: OpenAIServer, example: Example) -> None:
    server.answer = lambda messages: "In Lyon."
    assert "found wrong" in (suggestions(desk, server).draft(REVIEWER, example.id).problem or "")


@pytest.mark.parametrize(("status", "words"), [(401, "FLYWHEEL_TEACHER_API_KEY"), (429, "too much"), (500, "500")])
def test_failures_of_the_teacher_are_told(
    desk: Desk, server: OpenAIServer, example: Example, status: int, words: str
) -> None:
    server.fail(5, status)
    with pytest.raises(FlywheelError, match=words) as failed:
        suggestions(desk, server).draft(REVIEWER, example.id)
    assert len(str(failed.value)) < 400


def test_silent_teacher_is_not_waited_for_long(desk: Desk, server: OpenAIServer, example: Example) -> None:
    server.silent = True
    with pytest.raises(FlywheelError, match="went silent"):
        suggestions(desk, server).draft(REVIEWER, example.id)


def test_guests_ask_for_no_drafts(desk: Desk, server: OpenAIServer, example: Example) -> None:
    with pytest.raises(Forbidden):
        suggestions(desk, server).draft(GUEST, example.id)
    assert server.asked == []


def test_a_draft_that_is_approved_unchanged_is_a_models_own_words(
    desk: Desk, server: OpenAIServer, example: Example
) -> None:
    server.answer = lambda messages: "In Paris."
    draft = suggestions(desk, server).draft(REVIEWER, example.id).text
    assert in_own_words(desk.database) == set()
    desk.curation.approve(REVIEWER, example.id, completion=f"{draft} She moved.", keep="ours")
    assert in_own_words(desk.database) == set()
    desk.curation.approve(REVIEWER, example.id, completion=f" {draft}\n", keep="ours")
    assert in_own_words(desk.database) == {example.id}
