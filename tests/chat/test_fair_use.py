"""So many answers and no more: for a guest, a person, a key, an address; also at once, and after a restart."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.errors import InvalidInput, LimitReached
from flywheel.fair import waiting_words
from flywheel.roles import Principal, Role
from flywheel.serving.local import LocalEngine
from flywheel.setting_values import Limit
from flywheel.tasks.sql import SqlTask
from storage.home import Home
from tests.chat.test_comparing import LIKELIEST, WILD, comparing
from tests.support.chatting import ANN, BOB, COUNT, App, make_app


@contextmanager
def limited(path: Path, engine: LocalEngine, task: SqlTask, **limits: Limit) -> Iterator[App]:
    app = make_app(Home.open(path), engine, task, **limits)
    try:
        yield app
    finally:
        app.database.close()


def test_a_guest_gets_so_many_answers_and_is_told_when_more(tmp_path: Path, engine, task) -> None:
    with limited(tmp_path, engine, task, guest_limit=Limit(per_minute=2)) as app:
        app.ask(ANN, COUNT)
        list(app.chat.retry(ANN, app.turns()[-1].id))
        before = app.events()
        with pytest.raises(LimitReached, match=r"2 answers within a minute.* Ask again in \d+ seconds\.$") as refused:
            app.ask(ANN, COUNT)
        assert 0 < refused.value.wait_s <= 60 and app.events() == before
        app.ask(BOB, COUNT)


def test_a_minute_later_there_are_more(tmp_path: Path, engine, task) -> None:
    with limited(tmp_path, engine, task, guest_limit=Limit(1, 2)) as app:
        clock, fair = [app.chat._fair._now()], app.chat._fair
        fair._now = lambda: clock[0]
        app.ask(ANN, COUNT)
        with pytest.raises(LimitReached):
            app.ask(ANN, COUNT)
        clock[0] += 60
        app.ask(ANN, COUNT)
        clock[0] += 60
        with pytest.raises(LimitReached, match=r"2 answers within 24 hours.* Ask again in 24 hours"):
            app.ask(ANN, COUNT)
        clock[0] += 86_400 - 120
        app.ask(ANN, COUNT)


def test_a_restart_forgets_nobodys_day(tmp_path: Path, engine, task) -> None:
    limits = {"guest_limit": Limit(per_day=2)}
    with limited(tmp_path, engine, task, **limits) as app:
        app.ask(ANN, COUNT)
        app.ask(ANN, COUNT)
    with limited(tmp_path, engine, task, **limits) as app:
        with pytest.raises(LimitReached, match="24 hours"):
            app.ask(ANN, COUNT)
        app.ask(BOB, COUNT)


def test_two_answers_to_one_question_are_one_before_and_after_a_restart(tmp_path: Path, engine, task) -> None:
    limits = {"guest_limit": Limit(per_day=3)}
    with limited(tmp_path, engine, task, **limits) as app:
        list(comparing(app, LIKELIEST, WILD).reply(ANN, None, COUNT))
        assert sum(turn.role == "assistant" for turn in app.turns()) == 2
        app.ask(ANN, COUNT)
    with limited(tmp_path, engine, task, **limits) as app:
        app.ask(ANN, COUNT)
        with pytest.raises(LimitReached, match="3 answers within 24 hours"):
            app.ask(ANN, COUNT)


def test_what_is_refused_or_empty_costs_nothing(tmp_path: Path, engine, task) -> None:
    with limited(tmp_path, engine, task, guest_limit=Limit(per_minute=1)) as app:
        for text in ("", "word " * 1500):
            with pytest.raises(InvalidInput):
                app.ask(ANN, text)
        app.ask(ANN, COUNT)


def test_fifty_at_once_get_no_more_than_one_after_another(tmp_path: Path, engine, task) -> None:
    def ask(_: int) -> bool:
        try:
            app.ask(ANN, COUNT)
        except LimitReached:
            return False
        return True

    with limited(tmp_path, engine, task, guest_limit=Limit(per_minute=5)) as app:
        with ThreadPoolExecutor(50) as pool:
            assert sum(pool.map(ask, range(50))) == 5
        assert sum(turn.role == "assistant" for turn in app.turns()) == 5


def test_dropping_the_cookie_does_not_help_where_the_address_is_known(tmp_path: Path, engine, task) -> None:
    def from_here(who: Principal, address: str = "192.168.1.7") -> Principal:
        return replace(who, address=address)

    with limited(tmp_path, engine, task, guest_limit=Limit(1), address_limit=Limit(per_day=2)) as app:
        app.ask(from_here(ANN), COUNT)
        app.ask(from_here(BOB), COUNT)
        eve = Principal("guest:" + "e" * 32, Role.GUEST)
        with pytest.raises(LimitReached, match="all guests of one network"):
            app.ask(from_here(eve), COUNT)
        app.ask(from_here(eve, "192.168.1.8"), COUNT)


@pytest.mark.parametrize(
    ("who", "limited"),
    [
        (Principal("local:owner", Role.OWNER), False),
        (Principal("local:reviewer:ann", Role.REVIEWER), False),
        (Principal("hf:ann", Role.REVIEWER), False),
        (Principal("hf:ann", Role.GUEST), True),
        (Principal("key:k1", Role.GUEST), True),
        (Principal("key:k1", Role.REVIEWER), True),
        (Principal("key:k1", Role.OWNER), False),
    ],
)
def test_who_is_limited(app: App, who: Principal, limited: bool) -> None:
    one, fair = Limit(per_minute=1), app.chat._fair
    fair._settings = replace(fair._settings, guest_limit=one, person_limit=one, key_limit=one, address_limit=one)
    assert bool(fair.limits(who)) is limited


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (59.1, "60 seconds"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3600, "60 minutes"),
        (3601, "2 hours"),
    ],
)
def test_waiting_is_never_told_too_short(seconds: float, words: str) -> None:
    assert waiting_words(seconds) == words
