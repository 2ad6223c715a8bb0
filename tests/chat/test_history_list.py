"""The list of one's conversations: order, search, names, deletion; other people's are not there."""

import pytest

from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.roles import ANONYMOUS
from storage.conversations import ConversationStore
from tests.support.chatting import ANN, BOB, COUNT, App


def begun(app: App, title: str, said: str = "something") -> str:
    """A conversation of Ann's with one question."""
    made = app.conversations.start(owner=ANN.id, task="sql", title=title, by=ANN.id)
    app.conversations.add_turn(conversation_id=made.id, parent_id=None, role="user", content=said, by=ANN.id)
    return made.id


def titles(app: App, search: str = "") -> list[str]:
    return [listed.title for listed in app.chat.conversations(ANN, search)]


def test_newest_turn_comes_first(app: App) -> None:
    first = begun(app, "first")
    begun(app, "second")
    assert titles(app) == ["second", "first"]
    app.ask(ANN, COUNT, first)
    assert titles(app) == ["first", "second"]
    assert [listed.turns for listed in app.chat.conversations(ANN)] == [3, 1]
    assert app.chat.conversations(BOB) == []


def test_looking_at_one_does_not_move_it(app: App) -> None:
    first, _ = begun(app, "first"), begun(app, "second")
    app.chat.threads.show(ANN, first)
    assert titles(app) == ["second", "first"]
    assert app.chat.thread(ANN, None).conversation_id == first


def test_search_is_in_titles_and_messages_of_ones_own(app: App) -> None:
    begun(app, "Bikes per town", "how many 100% _electric_ bikes")
    begun(app, "Helmets", "ÄRMEL und Straße")
    assert titles(app, "BIKES") == ["Bikes per town"]
    assert titles(app, " ärmel ") == ["Helmets"]
    assert titles(app, "100% _") == ["Bikes per town"]
    assert titles(app, "%") == ["Bikes per town"]
    assert titles(app, "nowhere") == []
    assert app.chat.conversations(BOB, "bikes") == []


@pytest.mark.parametrize("search", ["x" * 201, "nul \0 byte", "\ud800", None, 7])
def test_unusable_search_is_refused_in_words(app: App, search: str) -> None:
    with pytest.raises(InvalidInput):
        app.chat.conversations(ANN, search)


def test_new_title_counts_and_is_searched(app: App) -> None:
    made = begun(app, "first", "hello")
    app.chat.threads.rename(ANN, made, "  Bikes <b>per</b>\n town ")
    app.chat.threads.rename(ANN, made, "Helmets <script>")
    assert titles(app) == titles(app, "helmets") == ["Helmets <script>"]
    assert titles(app, "per town") == []
    for unusable in ("", "  ", "x" * 101, "\0"):
        with pytest.raises(InvalidInput):
            app.chat.threads.rename(ANN, made, unusable)


def test_deleted_conversation_is_gone_for_its_owner(app: App) -> None:
    asked = app.ask(ANN, COUNT)
    kept = begun(app, "kept")
    app.chat.threads.delete(ANN, asked.conversation_id)
    assert titles(app) == ["kept"]
    assert app.chat.thread(ANN, None).conversation_id == kept
    before = app.events()
    for call in (
        lambda: app.chat.thread(ANN, asked.conversation_id),
        lambda: app.chat.thread(ANN, asked.turn_id),
        lambda: app.ask(ANN, COUNT, asked.turn_id),
        lambda: app.chat.rate(ANN, asked.turn_id, "up"),
        lambda: app.chat.correct(ANN, asked.turn_id, "SELECT 2"),
        lambda: app.chat.threads.rename(ANN, asked.conversation_id, "back"),
        lambda: app.chat.threads.delete(ANN, asked.conversation_id),
    ):
        with pytest.raises(NotFound):
            call()
    assert app.events() == before
    assert [made.id for made in app.conversations.all()] == [kept]


def test_only_the_owner_renames_and_deletes(app: App) -> None:
    made, before = begun(app, "mine"), app.events()
    for call in (lambda: app.chat.threads.rename(BOB, made, "his"), lambda: app.chat.threads.delete(BOB, made)):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Forbidden):
        app.chat.conversations(ANONYMOUS)
    assert app.events() == before and titles(app) == ["mine"]


def test_pages_of_a_long_list_fit_together(app: App) -> None:
    def job(tx) -> None:
        store = ConversationStore(app.database)
        for number in range(120):
            made = store.start(owner=ANN.id, task="sql", title=f"{number}", by=ANN.id, tx=tx)
            store.add_turn(
                conversation_id=made.id, parent_id=None, role="user", content=f"bike {number}", by=ANN.id, tx=tx
            )

    app.database.write(job, by=ANN.id)
    seen, before = [], None
    while page := app.chat.conversations(ANN, "bike", limit=1000, before=before):
        assert len(page) <= 50
        seen += [listed.title for listed in page]
        before = page[-1].place
    assert seen == [f"{number}" for number in range(119, -1, -1)]
    with pytest.raises(InvalidInput, match="no place"):
        app.chat.conversations(ANN, before="'; --")
