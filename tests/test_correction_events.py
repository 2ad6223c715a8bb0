"""What a program sends to the correction panel's and the corrections page's events."""

from uuid import uuid4

import pytest

from flywheel.roles import Principal, Role
from storage.feedback import Feedback
from tests.support.app import App
from tests.support.events import Caller


@pytest.fixture
def guest() -> Principal:
    return Principal(f"guest:{uuid4().hex}", Role.GUEST)


def disliked(app: App, guest: Principal) -> tuple[Caller, str]:
    """A guest whose latest answer has a thumb down: their program, with the answer chosen in the panel."""
    for _ in app.services.chat.reply(guest, None, "how many customers"):
        pass
    thread = app.services.chat.thread(guest, None)
    caller = Caller(app, guest)
    thumb(caller, thread.conversation_id, False)
    return caller, thread.items[-1].turn.id


def thumb(caller: Caller, conversation: str | None, liked: bool | str) -> None:
    assert caller.send("chat_rate", [conversation], {"index": 1, "value": "x", "liked": liked}).ok


def rating(app: App, guest: Principal) -> Feedback:
    found = app.services.chat.thread(guest, None).items[-1].rating
    assert found is not None
    return found


def test_a_ticked_reason_is_kept_at_once(app: App, guest: Principal) -> None:
    caller, _ = disliked(app, guest)
    answer = caller.send("correction_reasons", [None, ["wrong_filter", "other"], "last year"])
    assert answer.ok and "Noted" in answer.data[0]
    assert (rating(app, guest).reasons, rating(app, guest).comment) == (["wrong_filter", "other"], "last year")
    assert not caller.send("correction_reasons", [None, ["because"], ""]).ok


def test_switching_the_thumb_clears_reasons_and_comment(app: App, guest: Principal) -> None:
    caller, _ = disliked(app, guest)
    for liked, kept in ((True, "up"), ("", None), (False, "down")):
        assert caller.send("correction_reasons", [None, ["wrong_filter"], "last year"]).ok
        thumb(caller, None, liked)
        assert (rating(app, guest).rating, rating(app, guest).reasons, rating(app, guest).comment) == (kept, [], "")
        if liked is not False:
            thumb(caller, None, False)
    filled = caller.send("correction_fill", [None, None])
    assert filled.ok and filled.data[2:4] == [[], ""]


def test_the_answer_itself_is_said_and_not_stored(app: App, guest: Principal) -> None:
    caller, _ = disliked(app, guest)
    head, same = app.services.database.head, "SELECT count(*) AS customers FROM customers"
    answer = caller.send("correction_diff", [None, f"```sql\n{same}\n```"])
    assert answer.ok and "Nothing is changed" in answer.data[0]
    for text in (same, f"```sql\n{same}\n```"):
        sent = caller.send("correction_send", [None, None, [], "", text])
        assert not sent.ok and ("Nothing is changed" in sent.error or "the answer itself" in sent.error)
    assert app.services.database.head == head


def test_a_correction_is_marked_up_nowhere(app: App, guest: Principal) -> None:
    caller, _ = disliked(app, guest)
    evil = "<img src=x onerror=alert(1)>"
    assert evil not in str(caller.send("correction_diff", [None, evil]).data)
    assert evil not in str(caller.send("correction_try", [None, f"SELECT '{evil}' AS \"{evil}\""]).data)
    assert caller.send("correction_send", [None, None, [], "", evil]).ok
    told = caller.send("corrections_open", [])
    assert told.ok and "Not used" in told.data[0] and evil not in told.data[0] and "&lt;img" in told.data[0]


def test_going_on_takes_ones_own_correction_alone(app: App, guest: Principal) -> None:
    caller, turn_id = disliked(app, guest)
    early = caller.send("correction_go_on", [None])
    assert not early.ok and "No answer is chosen" in early.error
    assert caller.send("correction_send", [None, None, [], "", "SELECT 4711"]).ok
    for _ in "12":
        assert caller.send("correction_go_on", [turn_id]).ok
    thread = app.services.chat.thread(guest, None)
    assert [item.turn.content for item in thread.items] == ["how many customers", "SELECT 4711"]
    assert thread.items[-1].turn.details["corrects"] == turn_id and len(thread.items[-1].siblings) == 2
    other = Caller(app, Principal(f"guest:{uuid4().hex}", Role.GUEST))
    assert not other.send("correction_go_on", [turn_id]).ok


def test_corrections_of_others_are_not_listed(app: App, guest: Principal) -> None:
    caller, _ = disliked(app, guest)
    assert caller.send("correction_send", [None, None, [], "", "SELECT 31337"]).ok
    other = Caller(app, Principal(f"guest:{uuid4().hex}", Role.GUEST))
    for event, data in (("corrections_open", []), ("corrections_older", [0]), ("corrections_newer", [-7])):
        answer = other.send(event, data)
        assert answer.ok and "31337" not in str(answer.data) and "corrected nothing yet" in answer.data[0]
