"""Ten thousand conversations of one person: a page of the list at a time, and what was said is still found."""

from pathlib import Path

import duckdb
import pytest

from flywheel.errors import NotFound
from flywheel.roles import Principal
from flywheel.serving.local import LocalEngine
from flywheel.tasks.sql import SqlTask
from flywheel.threads import MOST_LISTED
from storage.database import Database
from storage.home import Home
from tests.support.chatting import ANN, BOB, COUNT, App, make_app

MANY = 10_000
FILL = f"""
    INSERT INTO conversations
        SELECT format('{{:026d}}', n), '{ANN.id}', 'sql', format('about {{}}', n), now(), '{ANN.id}'
        FROM range({MANY}) r(n);
    INSERT INTO turns SELECT format('{{:026d}}', {MANY} + n), format('{{:026d}}', n), NULL, 'user',
        CASE n WHEN 3 THEN 'where do herons nest' ELSE format('question {{}}', n) END, 'complete', NULL, 'page', '{{}}',
        now(), '{ANN.id}' FROM range({MANY}) r(n);
"""


@pytest.fixture
def app(tmp_path: Path, engine: LocalEngine, task: SqlTask):
    home = Home.open(tmp_path / "home")
    Database.open(home.database, home.ledger_tail).close()
    # Through the writer, with its ledger, this would take half a minute.
    with duckdb.connect(str(home.database)) as connection:
        connection.execute(FILL)
    opened = make_app(home, engine, task)
    yield opened
    opened.database.close()


def titles(app: App, who: Principal = ANN, search: str = "", before: str | None = None) -> list[str]:
    return [one.title for one in app.chat.conversations(who, search, limit=MANY, before=before)]


def test_the_list_stays_a_page_and_goes_on_where_it_ended(app: App) -> None:
    first = app.chat.conversations(ANN, limit=MANY)
    assert len(first) == MOST_LISTED and first[0].title == f"about {MANY - 1}"
    assert titles(app, before=first[-1].place)[0] == f"about {MANY - 1 - MOST_LISTED}"
    last = app.chat.conversations(ANN, before=f"{MANY + 2:026d}")
    assert [one.title for one in last] == ["about 1", "about 0"]


def test_the_oldest_words_are_found(app: App) -> None:
    assert titles(app, search="herons") == ["about 3"]
    assert len(titles(app, search="question 99")) == MOST_LISTED
    assert titles(app, BOB, search="herons") == []


def test_a_new_question_comes_first(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    assert titles(app)[0] == COUNT and app.chat.thread(ANN, None).conversation_id == asked.conversation_id


def test_what_was_erased_meanwhile_cannot_be_rated(app: App) -> None:
    from storage.personal import PersonalStore

    asked = app.ask(BOB, COUNT)
    PersonalStore(app.database).erase(BOB.id, by=BOB.id)
    before = app.events()
    for call in (
        lambda: app.chat.rate(BOB, asked.turn_id, "down"),
        lambda: app.chat.correct(BOB, asked.turn_id, "SELECT 1"),
        lambda: list(app.chat.retry(BOB, asked.turn_id)),
        lambda: list(app.chat.edit(BOB, asked.user_turn_id, "another question")),
    ):
        with pytest.raises(NotFound):
            call()
    assert app.events() == before
