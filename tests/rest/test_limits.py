"""A key that had as many answers as it gets: the status, the header and the words that programs act on."""

from collections.abc import Callable
from dataclasses import replace

import openai
import pytest

from flywheel.roles import Principal, Role
from flywheel.setting_values import Limit
from tests.rest.conftest import Program
from tests.support.app import App
from tests.support.events import Caller

QUESTION = [{"role": "user", "content": "how many customers"}]


@pytest.fixture
def limit(app: App, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    fair = app.services.chat._fair
    return lambda **limits: monkeypatch.setattr(fair, "_settings", replace(fair._settings, **limits))


@pytest.mark.parametrize("stream", [False, True])
def test_client_is_told_to_come_again(guest: Program, limit: Callable[..., None], stream: bool) -> None:
    limit(key_limit=Limit(per_minute=1))
    guest.client.chat.completions.create(model="flywheel", messages=QUESTION)
    with pytest.raises(openai.RateLimitError, match="as many as one key gets here") as refused:
        guest.client.chat.completions.create(model="flywheel", messages=QUESTION, stream=stream)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
    assert "x-should-retry" not in refused.value.response.headers


def test_client_does_not_wait_for_tomorrow(program: Callable[..., Program], limit: Callable[..., None]) -> None:
    limit(key_limit=Limit(per_day=1))
    guest, other = program(), program()
    guest.client.chat.completions.create(model="flywheel", messages=QUESTION)
    with pytest.raises(openai.RateLimitError, match="hours") as refused:
        guest.client.with_options(max_retries=3).chat.completions.create(model="flywheel", messages=QUESTION)
    assert refused.value.request.headers["x-stainless-retry-count"] == "0"
    assert int(refused.value.response.headers["retry-after"]) > 86_000
    assert other.client.chat.completions.create(model="flywheel", messages=QUESTION).choices


def test_page_says_how_long_to_wait(app: App, limit: Callable[..., None]) -> None:
    limit(guest_limit=Limit(per_minute=1))
    caller = Caller(app, Principal("guest:" + "f" * 32, Role.GUEST))
    assert caller.send("chat_send", ["how many customers", None]).ok
    answer = caller.send("chat_send", ["how many customers", None])
    assert not answer.ok and "Ask again in" in answer.error and "second" in answer.error
