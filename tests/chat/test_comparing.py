"""Two answers to one question: both are kept, one is chosen, and what the choice leads to."""

import json
import random
from collections.abc import Sequence
from threading import Thread

import pytest

from flywheel.abreast import Side
from flywheel.comparing import Comparing
from flywheel.errors import InvalidInput, NotFound
from flywheel.exports import Exporter, export_lines
from flywheel.redaction.redact import redact
from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.serving.engine import Sampling
from flywheel.threads import ThreadItem
from storage.consents import ConsentStore
from storage.datasets import DatasetStore
from storage.errors import Stale
from storage.personal import PersonalStore
from tests.support.chatting import ANN, BOB, COUNT, RAMBLE, SQL, App

LIKELIEST = Side("v0", Sampling(64))
WILD = Side("v0", Sampling(24, temperature=2.0, seed=3))
LONG = Side("v1", RAMBLE)


def comparing(app: App, *sides: Side, task=None) -> Comparing:
    """`sides` from left to right."""

    class Fixed(random.Random):
        def random(self) -> float:
            return 0.5

        def sample(self, population: Sequence[Side], k: int, **_: object) -> list[Side]:
            return list(population)

    task = task or app.chat._task
    pair = sides[0], sides[1]
    return Comparing(app.database, app.chat, app.conversations, app.examples, task, lambda: pair, 1.0, Fixed())


def asked(app: App, *sides: Side, text: str = COUNT) -> tuple[Comparing, Update]:
    service = comparing(app, *sides)
    return service, list(service.reply(ANN, None, text))[-1]


def shown(app: App) -> ThreadItem:
    return app.chat.thread(ANN, None).items[-1]


def test_both_answers_come_and_stay(app: App) -> None:
    service = comparing(app, LIKELIEST, WILD)
    updates = list(service.reply(ANN, None, COUNT))
    assert any(update.other and update.other.text for update in updates if not update.done)
    question, right, left = app.turns()
    assert left.content == SQL and right.content != SQL
    assert (left.parent_id, right.parent_id) == (question.id, question.id)
    assert (left.details["beside"], right.details["beside"]) == (right.id, left.id)
    assert updates[-1].turn_id == left.id and left.details["sql"]["accepted"]
    assert shown(app).choice == (left, right)
    assert app.chat.open == 0


def test_choosing_goes_on_from_the_choice_and_waits_for_a_reviewer(app: App) -> None:
    for taken in (0, 1):
        service, _ = asked(app, LIKELIEST, WILD)
        pair = shown(app).choice
        assert pair is not None
        thread = service.choose(ANN, pair[taken].id)
        assert thread.place == pair[taken].id and thread.items[-1].choice is None
        assert shown(app).turn.id == pair[taken].id
        app.ask(ANN, "hello", pair[0].conversation_id)
        assert app.turns()[-2].parent_id == pair[taken].id
        (example,) = app.examples.for_turns([pair[1 - taken].id]).values()
        assert (example.provenance, example.state) == ("preference", "pending")
        assert (example.completion, example.answer) == (pair[taken].content.strip(), pair[1 - taken].content)
        assert example.prompt == [{"role": "user", "content": COUNT}]


def test_a_changed_question_gets_two_answers_as_any_other_and_a_retry_one(app: App) -> None:
    service = comparing(app, LIKELIEST, WILD)
    first = app.ask(ANN, "hello")
    list(service.edit(ANN, first.user_turn_id, COUNT))
    left, right = shown(app).choice or ()
    assert left.parent_id == right.parent_id != first.user_turn_id
    assert app.conversations.turn(left.parent_id).parent_id is None
    list(app.chat.retry(ANN, left.id))
    assert "beside" not in app.turns()[-1].details
    service.share = 0.0
    list(service.edit(ANN, first.user_turn_id, "list the orders"))
    assert shown(app).choice is None and shown(app).turn.details.get("beside") is None


@pytest.mark.parametrize("verdict", ["bad", "same"])
def test_choosing_neither_is_kept_and_proposes_nothing(app: App, verdict: str) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    left, right = shown(app).choice or ()
    thread = service.choose(ANN, right.id, verdict)
    assert thread.place == left.id and shown(app).choice is None
    assert app.database.value("SELECT verdict FROM comparisons") == verdict
    assert app.examples.listing() == []


def test_skipping_goes_on_from_the_first_shown(app: App) -> None:
    _, last = asked(app, LIKELIEST, WILD)
    left, _ = shown(app).choice or ()
    app.ask(ANN, "hello", last.conversation_id)
    assert app.turns()[-2].parent_id == left.id
    assert app.chat.thread(ANN, left.id).items[-1].choice is None, "something follows it"


def test_the_same_text_twice_is_one_answer(app: App) -> None:
    _, last = asked(app, LIKELIEST, LIKELIEST)
    assert [turn.role for turn in app.turns()] == ["user", "assistant"]
    assert last.other is None and last.turn_id == app.turns()[-1].id and shown(app).choice is None


def test_a_choice_counts_once_and_for_ones_own_answers_alone(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    left, right = shown(app).choice or ()
    before = app.events()
    for who, turn_id, verdict, error in (
        (BOB, left.id, "better", NotFound),
        (ANN, left.parent_id, "better", NotFound),
        (ANN, "0" * 26, "better", NotFound),
        (ANN, "", "bad", NotFound),
        (ANN, left.id, "best", InvalidInput),
    ):
        with pytest.raises(error):
            service.choose(who, str(turn_id), verdict)
    assert app.events() == before
    service.choose(ANN, right.id)
    before = app.events()
    with pytest.raises(Stale, match="chosen between these two answers already"):
        service.choose(ANN, left.id)
    assert app.events() == before
    single = app.ask(ANN, "hello")
    with pytest.raises(InvalidInput, match="no two answers"):
        service.choose(ANN, single.turn_id)
    app.chat.threads.delete(ANN, left.conversation_id)
    with pytest.raises(NotFound):
        service.choose(ANN, left.id)


def test_stop_ends_both_and_keeps_both(app: App) -> None:
    service, seen = comparing(app, LONG, Side("v1", Sampling(250, 0.9, seed=1))), 0
    for update in service.reply(ANN, None, COUNT):
        if not update.done and update.text and update.other and update.other.text and not seen:
            seen = app.chat.stop(ANN, update.other.turn_id)
    _, right, left = app.turns()
    assert seen and (left.state, right.state) == ("stopped", "stopped")
    assert left.content and right.content and shown(app).turn == left and shown(app).choice is None


def test_a_closed_tab_keeps_both(app: App) -> None:
    updates = comparing(app, LONG, LONG).reply(ANN, None, COUNT)
    while not next(updates).text:
        pass
    updates.close()
    assert [turn.state for turn in app.turns()] == ["complete", "aborted", "aborted"]
    assert app.chat.open == 0
    assert app.ask(ANN, "hello", app.turns()[0].conversation_id).turn is not None


def test_only_the_right_one_is_whole(app: App) -> None:
    _, last = asked(app, Side("v3", Sampling()), LIKELIEST)
    right = app.turns()[1]
    assert right.content == SQL and app.turns()[2].state == "failed"
    assert last.turn_id == right.id and shown(app).turn == right and shown(app).choice is None


def test_a_correction_outlasts_a_choice(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    left, right = shown(app).choice or ()
    app.chat.correct(ANN, right.id, "SELECT 1")
    service.choose(ANN, left.id)
    example = app.examples.for_turns([right.id])[right.id]
    assert (example.provenance, example.completion) == ("correction", "SELECT 1")


def test_without_consent_no_reviewer_sees_a_choice(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    service.choose(ANN, shown(app).turn.id)
    assert len(app.examples.inbox()) == 1
    ConsentStore(app.database).choose(ANN.id, "no", by=ANN.id)
    assert app.examples.inbox() == [] and app.examples.counts()["pending"] == 0


def test_a_choice_is_handed_out_and_erased_with_the_rest(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    service.choose(ANN, shown(app).turn.id)
    assert [row["verdict"] for row in PersonalStore(app.database).rows(ANN.id)["comparisons"]] == ["left"]
    assert PersonalStore(app.database).erase(ANN.id, by=ANN.id)["comparisons"] == 1
    assert app.database.value("SELECT count(*) FROM comparisons") == 0


def test_what_begins_left_out_is_never_learnt_from(app: App) -> None:
    service = comparing(app, LIKELIEST, WILD)
    for share in (0.0, 1.0):
        service.share = share
        last = list(service.reply(ANN, None, COUNT, leave_out=True))[-1]
        app.chat.correct(ANN, last.turn_id, "SELECT 1")
    service.choose(ANN, last.turn_id)
    assert app.examples.inbox() == [] and app.examples.counts()["pending"] == 0
    going_on = app.ask(ANN, "hello", last.conversation_id)
    assert {turn.id for turn in app.turns()} == ConsentStore(app.database).held_turns(), going_on


def test_two_choices_at_once_are_one(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    pair = shown(app).choice or ()
    told: list[str] = []

    def choose(turn_id: str) -> None:
        try:
            told.append(service.choose(ANN, turn_id).place or "")
        except Stale:
            told.append("late")

    threads = [Thread(target=choose, args=(turn.id,)) for turn in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count("late") == 1 and app.database.value("SELECT count(*) FROM comparisons") == 1
    assert len(app.examples.inbox()) == 1


def test_the_share_says_how_often(app: App) -> None:
    service = comparing(app, LIKELIEST, WILD)
    for share, answers in ((0.0, 1), (0.4, 1), (0.6, 2)):
        service.share = share
        before = len(app.turns())
        assert list(service.reply(ANN, None, COUNT))[-1].turn
        assert len(app.turns()) - before == 1 + answers


def test_a_choice_is_exported_as_a_pair_once_it_is_approved(app: App) -> None:
    service, _ = asked(app, LIKELIEST, WILD)
    left, right = shown(app).choice or ()
    service.choose(ANN, left.id)
    exporter = Exporter(
        app.examples, DatasetStore(app.database), app.conversations, app.feedback, ConsentStore(app.database)
    )
    owner = Principal("local:owner", Role.OWNER)
    assert list(export_lines(exporter, owner, what="preferences")) == []
    (example,) = app.examples.inbox()
    app.examples.decide(example.id, "approved", expected_event=None, by=owner.id)
    (row,) = map(json.loads, export_lines(exporter, owner, what="preferences"))
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == (SQL, redact(right.content).text)
    ConsentStore(app.database).choose(ANN.id, "no", by=ANN.id)
    assert list(export_lines(exporter, owner, what="preferences")) == []
