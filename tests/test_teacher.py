"""The teacher: a real client against a real server that behaves and misbehaves."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flywheel.errors import ConfigurationError, FlywheelError, InvalidInput, Unavailable
from flywheel.settings import Settings, read
from flywheel.teacher import Patience, Teacher, Unanswered
from tests.support.openai_server import OpenAIServer, openai_server
from tests.support.steps import awaited

QUICK = Patience(connect=1, silence=0.5, total=5, tries=3, first_pause=0.02, longest_pause=0.05)
HELLO = [{"role": "user", "content": "hello"}]
KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


def settings(server: OpenAIServer, key: str = "") -> Settings:
    return replace(read({}), teacher_model="parrot", teacher_base_url=server.url, teacher_api_key=key)


def test_teacher_answers_and_counts(server: OpenAIServer) -> None:
    server.key = KEY
    server.answer = lambda messages: "<think>\nhm\n</think>\nSELECT 1"
    told = Teacher(settings(server, KEY), QUICK).ask(HELLO)
    assert told.text == "SELECT 1" and told.whole and told.tokens > 7


def test_personal_data_do_not_leave_the_house(server: OpenAIServer) -> None:
    Teacher(settings(server), QUICK).complete([{"role": "user", "content": "write to ann@example.com, please"}])
    assert server.asked[0]["messages"] == [{"role": "user", "content": "write to [EMAIL], please"}]


def test_what_passes_is_tried_again(server: OpenAIServer) -> None:
    server.fail(1, 429, {"Retry-After": "0"})
    server.fail(1, 503)
    assert Teacher(settings(server), QUICK).complete(HELLO) == "You said: hello"
    assert len(server.asked) == 3


def test_refused_fields_are_left_out(server: OpenAIServer) -> None:
    server.refuses = ("max_tokens", "temperature")
    assert Teacher(settings(server), QUICK).complete(HELLO) == "You said: hello"
    assert set(server.asked[-1]) - {"model", "messages", "stream"} == {"max_completion_tokens"}


@pytest.mark.parametrize(
    ("status", "error", "words", "asked"),
    [
        (401, {}, "refuses the key in FLYWHEEL_TEACHER_API_KEY (401)", 1),
        (429, {}, "has too much to do (429)", 3),
        (429, {"code": "insufficient_quota"}, "no credit left", 1),
        (500, {}, "failed (500)", 3),
        (404, {"code": "model_not_found", "message": "no such model"}, "FLYWHEEL_TEACHER_MODEL", 1),
    ],
)
def test_failures_are_told_in_words(
    server: OpenAIServer, status: int, error: dict[str, str], words: str, asked: int
) -> None:
    server.fail(3, status, **error)
    with pytest.raises(Unavailable) as caught:
        Teacher(settings(server, KEY), QUICK).complete(HELLO)
    assert words in str(caught.value) and KEY not in str(caught.value)
    assert len(server.asked) == asked


def test_hanging_and_missing_servers_end_in_words(server: OpenAIServer) -> None:
    server.silent = True
    with pytest.raises(Unavailable, match="went silent"):
        Teacher(settings(server), QUICK).complete(HELLO)
    with pytest.raises(Unavailable, match=r"did not answer within 0 s"):
        Teacher(settings(server), replace(QUICK, total=0.2)).complete(HELLO)
    server.stop()
    with pytest.raises(Unavailable, match="cannot be reached"):
        Teacher(settings(server), QUICK).complete(HELLO)


def test_empty_answers_are_no_answers(server: OpenAIServer) -> None:
    server.answer = lambda messages: "  "
    with pytest.raises(Unanswered, match="empty answer") as caught:
        Teacher(settings(server), QUICK).complete(HELLO)
    assert caught.value.tokens > 0 and isinstance(caught.value, FlywheelError)


def test_teacher_works_beside_an_event_loop(server: OpenAIServer) -> None:
    async def inside() -> str:
        return Teacher(settings(server), QUICK).complete(HELLO)

    assert awaited(inside()) == "You said: hello"


def test_without_a_teacher_it_is_said() -> None:
    with pytest.raises(InvalidInput, match="FLYWHEEL_TEACHER_MODEL"):
        Teacher(read({})).complete(HELLO)


def test_unusable_teacher_stops_the_start() -> None:
    teacher = {"FLYWHEEL_TEACHER_MODEL": "m", "FLYWHEEL_TEACHER_BASE_URL": "http://gpu/v1"}
    assert read(teacher).teacher_base_url == "http://gpu/v1"
    for wrong, told in (
        ({"FLYWHEEL_TEACHER_BASE_URL": "gpu"}, "FLYWHEEL_TEACHER_BASE_URL is `gpu`"),
        ({"FLYWHEEL_TEACHER_BASE_URL": ""}, "FLYWHEEL_TEACHER_API_KEY is empty"),
        ({"FLYWHEEL_TEACHER_API_KEY": "two words"}, "FLYWHEEL_TEACHER_API_KEY holds a blank"),
        ({"FLYWHEEL_TEACHER_MODEL": "two\nlines"}, "FLYWHEEL_TEACHER_MODEL is"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            read(teacher | wrong)
        assert told in str(caught.value) and "two words" not in str(caught.value)
