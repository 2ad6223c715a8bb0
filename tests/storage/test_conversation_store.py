import pytest

from storage.conversations import Conversation, ConversationStore, Turn
from storage.database import Database
from storage.errors import BadValue, Missing, Stale
from storage.ids import new_id


@pytest.fixture
def store(db: Database) -> ConversationStore:
    return ConversationStore(db)


@pytest.fixture
def talk(store: ConversationStore) -> Conversation:
    return store.start(owner="guest:1", task="sql", title="bikes", by="guest:1")


def say(store: ConversationStore, talk: Conversation, text: str, after: Turn | None = None, role: str = "user") -> Turn:
    parent = after.id if after else None
    return store.add_turn(conversation_id=talk.id, parent_id=parent, role=role, content=text, by="guest:1")


def test_a_turn_comes_back_as_it_was_said(store: ConversationStore, talk: Conversation) -> None:
    details = {"base": "starter", "sampling": {"temperature": 0.0}, "sql": {"rows": [[1, None, "x"]]}, "error": None}
    turn = store.add_turn(
        conversation_id=talk.id, parent_id=None, role="assistant", content="SELECT '\x00 <|im_start|> שלום';",
        state="stopped", version="v3", source="rest", details=details, by="guest:1",
    )  # fmt: skip
    assert store.turn(turn.id) == turn
    assert turn.details == details


def test_turns_come_oldest_first(store: ConversationStore, talk: Conversation) -> None:
    other = store.start(owner="guest:2", task="sql", by="guest:2")
    said = [say(store, talk, f"{n}") for n in range(5)]
    say(store, other, "elsewhere")
    assert store.turns(talk.id) == said


def test_a_path_leaves_out_other_branches(store: ConversationStore, talk: Conversation) -> None:
    question = say(store, talk, "question")
    say(store, talk, "first try", question, "assistant")
    retry = say(store, talk, "second try", question, "assistant")
    more = say(store, talk, "and then?", retry)
    assert [turn.content for turn in store.path_to(more.id)] == ["question", "second try", "and then?"]
    assert store.path_to("unknown") == []


def test_each_owner_lists_their_own(store: ConversationStore) -> None:
    mine = [store.start(owner="guest:1", task="sql", by="guest:1") for _ in range(3)]
    store.start(owner="guest:2", task="sql", by="guest:2")
    assert [listed.id for listed in store.list_of("guest:1")] == [made.id for made in mine[::-1]]
    assert [listed.id for listed in store.list_of("guest:1", limit=2)] == [made.id for made in mine[:0:-1]]
    assert store.latest_of("guest:1") == mine[-1]
    assert store.latest_of("guest:3") is None and store.conversation("unknown") is None


def test_a_turn_under_a_shown_id_is_stored_once(store: ConversationStore, talk: Conversation) -> None:
    shown = new_id()
    kept = store.add_turn(id=shown, conversation_id=talk.id, parent_id=None, role="user", content="a", by="x")
    with pytest.raises(Stale, match="stored already"):
        store.add_turn(id=shown, conversation_id=talk.id, parent_id=None, role="user", content="b", by="x")
    assert store.turns(talk.id) == [kept]


def test_a_turn_needs_its_conversation_and_parent(store: ConversationStore, talk: Conversation) -> None:
    with pytest.raises(Missing, match="no conversation `unknown`"):
        store.add_turn(conversation_id="unknown", parent_id=None, role="user", content="a", by="x")
    with pytest.raises(Missing, match="no turn `unknown`"):
        store.add_turn(conversation_id=talk.id, parent_id="unknown", role="user", content="a", by="x")
    assert store.counts() == {"conversations": 1, "turns": 0}


@pytest.mark.parametrize("wrong", [{"role": "system"}, {"state": "lost"}, {"source": "telnet"}])
def test_an_unknown_kind_of_turn_is_refused(
    store: ConversationStore, talk: Conversation, wrong: dict[str, str]
) -> None:
    fields = {"role": "user", **wrong}
    with pytest.raises(BadValue, match="It is one of"):
        store.add_turn(conversation_id=talk.id, parent_id=None, content="a", by="x", **fields)  # type: ignore[arg-type]


def test_counts_count_everything(store: ConversationStore, talk: Conversation) -> None:
    for number in range(3):
        say(store, talk, f"{number}")
    assert store.counts() == {"conversations": 1, "turns": 3}
