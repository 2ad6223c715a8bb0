"""Programs get the answer as the message, and the model's thoughts beside it."""

from datetime import UTC, datetime
from typing import Any

from flywheel.reply import Update
from flywheel.rest.answers import Chunks, answer_of
from flywheel.tasks.chat import ChatTask
from storage.conversations import Turn

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def ended(text: str, thinking: str) -> Update:
    turn = Turn("t", "c", "q", "assistant", text, "complete", "v0", "rest", {"finish_reason": "stop"}, NOW)
    return Update("c", "q", "t", text, thinking, done=True, turn=turn)


def sent(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])


def test_message_is_the_answer_alone() -> None:
    whole = answer_of(ended("It is 4.", "two and two"), ChatTask()).whole()
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "It is 4."}
    assert whole["flywheel"]["reasoning_content"] == "two and two"
    assert "reasoning_content" not in answer_of(ended("It is 4.", ""), ChatTask()).extra


def test_stream_holds_the_answer_alone() -> None:
    chunks = Chunks("t", "v0", ChatTask(), with_usage=False)
    told = [*chunks.more("", "two"), *chunks.more("It is", "two and two")]
    last = chunks.last(answer_of(ended("It is 4.", "two and two"), ChatTask()))
    assert sent([*told, *last]) == "It is 4."
    assert last[-1]["flywheel"]["reasoning_content"] == "two and two"


def test_answer_is_not_lost_after_thoughts_nobody_announced() -> None:
    chunks = Chunks("t", "v0", ChatTask(), with_usage=False)
    told = [*chunks.more("two and two"), *chunks.more("It", "two and two")]
    assert sent([*told, *chunks.last(answer_of(ended("It is 4.", "two and two"), ChatTask()))]).endswith("It is 4.")
