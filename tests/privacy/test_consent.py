"""Nothing that a person wrote is learnt from before they allow it, nor after they no longer do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import InvalidInput, NotFound
from flywheel.exports import export_lines
from flywheel.privacy import Privacy
from flywheel.roles import Principal, Role
from flywheel.tasks.chat import ChatTask
from storage.consents import ConsentStore
from storage.examples import Example
from tests.support.desk import OWNER, REVIEWER, Desk, asked

ANN, BOB = Principal("guest:" + "a" * 32, Role.GUEST), Principal("guest:" + "b" * 32, Role.GUEST)
PROGRAM = Principal("key:k1", Role.GUEST)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


@pytest.fixture
def privacy(desk: Desk) -> Privacy:
    return Privacy(desk.database, desk.home)


def corrected(desk: Desk, who: Principal, word: str) -> Example:
    """A question and a correction that hold the word, in a conversation of its own."""
    talk = desk.conversations.start(owner=who.id, task="chat", title=f"about {word}", by=who.id)
    user = desk.conversations.add_turn(
        conversation_id=talk.id, parent_id=None, role="user", content=f"what is {word}", by=who.id
    )
    turn = desk.conversations.add_turn(
        conversation_id=talk.id, parent_id=user.id, role="assistant", content=f"no {word}", version="v0", by=who.id
    )
    desk.feedback.rate(turn.id, "down", [], f"comment on {word}", by=who.id)
    desk.feedback.correct(turn.id, f"{word} is good", by=who.id)
    return desk.examples.propose(
        provenance="correction",
        turn_id=turn.id,
        conversation_id=talk.id,
        prompt=asked(f"what is {word}"),
        completion=f"{word} is good",
        answer=f"no {word}",
        version="v0",
        by=who.id,
    )


def inbox(desk: Desk) -> list[str]:
    return [example.id for example in desk.curation.inbox(REVIEWER)]


def exported(desk: Desk, what: str) -> str:
    return "".join(export_lines(desk.exporter, OWNER, what=what))


def test_a_correction_waits_for_its_authors_yes(desk: Desk, privacy: Privacy) -> None:
    example = corrected(desk, ANN, "heron")
    assert privacy.learning(ANN).to_ask
    assert inbox(desk) == [] and desk.curation.counts(REVIEWER)["pending"] == 0
    assert desk.feedback.corrections([example.turn_id])[example.turn_id].text == "heron is good"
    assert desk.examples.for_author([example.turn_id])[example.turn_id].state == "held"
    with pytest.raises(NotFound, match="does not allow learning"):
        desk.curation.approve(REVIEWER, example.id)
    privacy.choose(ANN, "yes")
    assert inbox(desk) == [example.id]
    assert not privacy.learning(ANN).to_ask


def test_a_later_no_keeps_it_out_of_the_next_version(desk: Desk, privacy: Privacy) -> None:
    privacy.choose(ANN, "yes")
    privacy.choose(BOB, "yes")
    for who, word in ((ANN, "heron"), (BOB, "stork")):
        desk.curation.approve(REVIEWER, corrected(desk, who, word).id)
    first = desk.datasets.freeze(OWNER).version
    privacy.choose(ANN, "no")
    second = desk.datasets.freeze(OWNER).version
    assert "heron" not in str(desk.datasets.rows(OWNER, second.id))
    assert {row.withdrawn: row.completion for row in desk.datasets.rows(OWNER, first.id)} == {
        True: "heron is good",
        False: "stork is good",
    }
    desk.datasets.verify(OWNER, first.id)
    assert "heron" not in exported(desk, "examples")
    assert "heron" not in "".join(export_lines(desk.exporter, OWNER, what="dataset", dataset=first.id))
    privacy.choose(ANN, "yes")
    assert "heron" in exported(desk, "examples") and not desk.frozen.withdrawn()


def test_one_conversation_is_left_out(desk: Desk, privacy: Privacy) -> None:
    privacy.choose(ANN, "yes")
    kept, left = corrected(desk, ANN, "heron"), corrected(desk, ANN, "stork")
    assert left.conversation_id is not None
    assert not privacy.leave_out(ANN, left.conversation_id, True).conversation
    assert inbox(desk) == [kept.id]
    assert "stork" not in exported(desk, "turns") and "heron" in exported(desk, "turns")
    assert left.turn_id is not None
    privacy.leave_out(ANN, left.turn_id, False)
    assert set(inbox(desk)) == {kept.id, left.id}


def test_nobody_decides_about_a_conversation_of_somebody_else(desk: Desk, privacy: Privacy) -> None:
    theirs = corrected(desk, ANN, "heron").conversation_id
    assert theirs is not None
    with pytest.raises(NotFound):
        privacy.leave_out(BOB, theirs, True)
    with pytest.raises(NotFound):
        privacy.learning(BOB, theirs)
    with pytest.raises(InvalidInput, match="perhaps"):
        privacy.choose(ANN, "perhaps")


def test_owner_and_programs_need_not_be_asked_and_can_refuse(desk: Desk, privacy: Privacy) -> None:
    for who in (OWNER, PROGRAM):
        assert not privacy.learning(who).to_ask
        example = corrected(desk, who, "heron")
        assert inbox(desk) == [example.id]
        privacy.choose(who, "no")
        assert inbox(desk) == []


def test_what_was_stored_before_anybody_was_asked_is_kept_until_a_no(desk: Desk, privacy: Privacy) -> None:
    example = corrected(desk, ANN, "heron")
    with desk.database._engine.cursor() as cursor:
        cursor.execute("UPDATE migrations SET created = now() + INTERVAL 1 DAY WHERE name = 'm007_consent'")
    assert inbox(desk) == [example.id] and privacy.learning(ANN).to_ask
    privacy.choose(ANN, "no")
    assert inbox(desk) == []


def test_a_no_while_a_version_is_frozen_keeps_it_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    consents = ConsentStore(desk.database)
    for who, word in ((ANN, "heron"), (BOB, "stork")):
        consents.choose(who.id, "yes", by=who.id)
        desk.curation.approve(REVIEWER, corrected(desk, who, word).id)
    number = desk.frozen.next_number

    def meanwhile() -> int:
        consents.choose(ANN.id, "no", by=ANN.id)
        return number()

    monkeypatch.setattr(desk.frozen, "next_number", meanwhile)
    version = desk.datasets.freeze(OWNER).version
    assert [row.completion for row in desk.datasets.rows(OWNER, version.id)] == ["stork is good"]
    assert "heron" not in "".join(path.read_text() for path in desk.home.dataset_dir(version.id).iterdir())
