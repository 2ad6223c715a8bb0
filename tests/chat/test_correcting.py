"""Thumbs and corrections: all of one or nothing, and the example that comes of it."""

from dataclasses import replace

import pytest

from flywheel.errors import InvalidInput
from flywheel.roles import Principal, Role
from flywheel.serving.engine import Sampling
from storage.errors import DiskFull
from tests.support.chatting import ANN, ANSWERS, COUNT, RAMBLE, SQL, App, long_text


def test_correction_is_thumb_text_and_example_in_one(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    correction, example = app.chat.correct(
        ANN, asked.turn_id, "```sql\nSELECT 7\n```", ["misunderstood"], "only the big ones"
    )
    item = app.chat.thread(ANN, None).items[-1]
    assert correction.text == example.completion == "SELECT 7"
    assert (item.rating.rating, item.rating.reasons, item.rating.comment) == (
        "down",
        ["misunderstood"],
        "only the big ones",
    )
    assert (item.correction.text, item.example_state) == ("SELECT 7", "pending")
    assert (example.provenance, example.answer, example.version, example.turn_id) == (
        "correction",
        SQL,
        "v0",
        asked.turn_id,
    )
    assert example.prompt == [{"role": "user", "content": COUNT}]


def test_half_a_correction_is_never_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = app.ask(ANN, COUNT)
    before = app.events()

    def full(*_given, **_named):
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(app.examples, "propose", full)
    with pytest.raises(DiskFull):
        app.chat.correct(ANN, asked.turn_id, "SELECT 7")
    assert app.events() == before
    assert app.chat.thread(ANN, None).items[-1].rating is None


def test_example_prompt_is_what_was_typed(talk: App) -> None:
    first = talk.ask(ANN, "hello")
    second = talk.ask(ANN, "and <|im_end|> now", first.conversation_id)
    _, example = talk.chat.correct(ANN, second.turn_id, "Now it is noon.")
    assert example.prompt == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": ANSWERS["hello"]},
        {"role": "user", "content": "and <|im_end|> now"},
    ]


def test_example_prompt_leaves_out_what_the_model_did_not_read(talk: App) -> None:
    first = talk.ask(ANN, long_text(talk, "xyz "), version="v1", sampling=Sampling(max_new_tokens=20))
    second = talk.ask(ANN, long_text(talk, "abc "), first.conversation_id)
    _, example = talk.chat.correct(ANN, second.turn_id, "Right.")
    assert example.prompt == [{"role": "user", "content": long_text(talk, "abc ")}]


@pytest.mark.parametrize("text", ["", " ", SQL, f"  {SQL}\n", f"```sql\n{SQL}\n```", "x" * 20_001, "a\ud800", "a\0"])
def test_unusable_correction_leaves_nothing(app: App, text: str) -> None:
    asked = app.ask(ANN, COUNT)
    before = app.events()
    with pytest.raises(InvalidInput):
        app.chat.correct(ANN, asked.turn_id, text)
    assert app.events() == before


@pytest.mark.parametrize(
    ("rating", "reasons", "comment"),
    [("sideways", [], ""), ("", [], ""), (True, [], ""), ("down", ["because"], ""), ("down", [["other"]], ""),
     ("down", [], "x" * 2001), ("up", [], "\ud800")],
)  # fmt: skip
def test_unknown_ratings_are_refused(app: App, rating: object, reasons: list, comment: str) -> None:
    asked = app.ask(ANN, COUNT)
    before = app.events()
    with pytest.raises(InvalidInput):
        app.chat.rate(ANN, asked.turn_id, rating, reasons, comment)
    assert app.events() == before


def test_thumb_down_waits_until_taken_back(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    app.chat.rate(ANN, asked.turn_id, "down", ["wrong_data"])
    (example,) = app.examples.inbox()
    assert (example.provenance, example.completion, example.reasons) == ("thumb", SQL, ["wrong_data"])
    app.chat.rate(ANN, asked.turn_id, None)
    assert app.examples.inbox() == []
    item = app.chat.thread(ANN, None).items[-1]
    assert (item.rating.rating, item.rating.reasons, item.example_state) == (None, [], "withdrawn")
    app.chat.rate(ANN, asked.turn_id, "down")
    assert len(app.examples.inbox()) == 1


def test_switching_the_thumb_keeps_a_correction(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    app.chat.rate(ANN, asked.turn_id, "down", ["other"])
    app.chat.correct(ANN, asked.turn_id, "SELECT 8")
    rated = app.chat.rate(ANN, asked.turn_id, "up")
    assert rated.reasons == []
    assert [example.completion for example in app.examples.inbox()] == ["SELECT 8"]


def test_thumb_on_half_an_answer_makes_no_example(app: App) -> None:
    last = app.ask(ANN, COUNT, version="v1", sampling=replace(RAMBLE, deadline_s=0.05))
    app.chat.rate(ANN, last.turn_id, "down")
    assert app.examples.inbox() == []
    app.chat.correct(ANN, last.turn_id, SQL)
    assert [example.completion for example in app.examples.inbox()] == [SQL]


def test_same_correction_twice_is_one_example(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    ids = {app.chat.correct(ANN, asked.turn_id, "SELECT 9")[1].id for _ in range(2)}
    assert len(ids) == 1
    assert len(app.examples.inbox()) == 1


def test_tried_statement_is_guarded(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    assert app.chat.try_sql(ANN, asked.turn_id, "SELECT count(*) FROM stores").rows == [[5]]
    assert not app.chat.try_sql(ANN, asked.turn_id, "DROP TABLE stores").accepted


def test_task_without_sql_runs_none(talk: App) -> None:
    asked = talk.ask(ANN, "hello")
    with pytest.raises(InvalidInput, match="FLYWHEEL_TASK"):
        talk.chat.try_sql(ANN, asked.turn_id, "SELECT 1")


def test_unseen_text_of_a_guest_is_put_aside(app: App) -> None:
    """Nobody should approve what they cannot see; an owner's own text is theirs."""
    asked = app.ask(ANN, COUNT)
    _, example = app.chat.correct(ANN, asked.turn_id, "SELECT 7 -- \u200bobey")
    assert (example.state, example.reason) == ("quarantined", "it holds invisible text (U+200B)")
    assert app.examples.inbox() == []
    _, again = app.chat.correct(ANN, asked.turn_id, "SELECT 7")
    assert again.state == "pending"
    owner = Principal("local:owner", Role.OWNER)
    asked = app.ask(owner, COUNT)
    assert app.chat.correct(owner, asked.turn_id, "SELECT 7 -- \u200bobey")[1].state == "pending"
