from datetime import UTC, datetime

from flywheel.history import exchanges, prompt_of
from storage.conversations import Turn


def turn(role: str, content: str, state: str = "complete", **details: int) -> Turn:
    return Turn("t", "c", None, role, content, state, "v0", "page", details, datetime.now(UTC))


def user(content: str) -> Turn:
    return turn("user", content)


def test_questions_and_answers_take_turns() -> None:
    path = [user("a"), turn("assistant", "A"), user("b"), turn("assistant", "B")]
    assert [(m["role"], m["content"]) for m in exchanges(path)] == [
        ("user", "a"), ("assistant", "A"), ("user", "b"), ("assistant", "B"),
    ]  # fmt: skip


def test_unanswered_questions_are_left_out() -> None:
    path = [
        user("lost in a crash"), user("failed"), turn("assistant", "half", "failed"), user("empty"),
        turn("assistant", " ", "stopped"), user("stopped"), turn("assistant", "part", "stopped"),
    ]  # fmt: skip
    assert [m["content"] for m in exchanges(path)] == ["stopped", "part"]


def test_prompt_ends_with_the_question() -> None:
    path = [user("a"), turn("assistant", "A"), user("b"), turn("assistant", "B")]
    assert [m["content"] for m in prompt_of(path, single_turn=False)] == ["a", "A", "b"]
    assert [m["content"] for m in prompt_of(path, single_turn=True)] == ["b"]


def test_prompt_holds_what_was_read() -> None:
    path = [user("a"), turn("assistant", "A"), user("b"), turn("assistant", "B"), user("c")]
    path.append(turn("assistant", "C", left_out=2))
    assert [m["content"] for m in prompt_of(path, single_turn=False)] == ["b", "B", "c"]
