"""Many programs at once, and programs that leave: every request is told something, and nobody's work goes on."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from flywheel.errors import Unavailable
from flywheel.rest.room import PLACES_OF_ONE
from flywheel.roles import Principal, Role
from storage.conversations import ConversationStore, Turn
from tests.rest.conftest import Program
from tests.rest.test_bad_input import told
from tests.support.app import App
from tests.support.paced import slowed
from tests.support.steps import awaited

PATH = "/v1/chat/completions"
CROWD = 1000
WHOLE = 21
"""Tokens of the answer."""


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "flywheel", "messages": [{"role": "user", "content": "how many customers"}], **changes}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model takes its time: about 0.1 s for each token, of which the answer has 21."""
    slowed(monkeypatch, 0.1)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CROWD if hard == resource.RLIM_INFINITY else min(4 * CROWD, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def answers_of(app: App, program: Program) -> list[Turn]:
    store = ConversationStore(app.services.database)
    conversations = store.list_of(program.owner, limit=10_000)
    return [turn for one in conversations for turn in store.turns(one.id) if turn.role == "assistant"]


def settled(app: App, program: Program) -> list[Turn]:
    """The program's answers, once none is under way."""
    until = time.monotonic() + 20
    while app.services.chat.open and time.monotonic() < until:
        time.sleep(0.02)
    assert app.services.chat.open == 0
    return answers_of(app, program)


def test_crowd_is_served_or_asked_to_come_again(app: App, program: Callable[..., Program], many_files: None) -> None:
    callers = [program(), program()]

    async def one(client: httpx.AsyncClient, at: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {callers[at % 2].key}"}
        return await client.post(PATH, json=body(stream=at % 3 == 0), headers=headers)

    async def crowd() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=app.url, limits=limits, timeout=120) as client:
            asked = [asyncio.create_task(one(client, at)) for at in range(CROWD)]
            await asyncio.sleep(0.2)
            # Meanwhile the page and its model answer.
            page = Principal("guest:" + "d" * 32, Role.GUEST)
            *_, last = await asyncio.to_thread(lambda: list(app.services.chat.reply(page, None, "who are you")))
            assert last.turn is not None and last.turn.state == "complete"
            assert (await client.get("/healthz")).status_code == 200
            return await asyncio.gather(*asked)

    responses = awaited(crowd())
    count = Counter(response.status_code for response in responses)
    assert set(count) == {200, 429} and count.total() == CROWD, count
    assert count[200] >= PLACES_OF_ONE
    for response in responses:
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) > 0
            assert told(response, 429)["code"] == "queue_full"
    kept = [turn for caller in callers for turn in settled(app, caller)]
    assert Counter(turn.state for turn in kept) == {"complete": count[200]}


def test_leaving_a_stream_stops_the_work(app: App, guest: Program, slow: None) -> None:
    with guest.http.stream("POST", PATH, json=body(stream=True)) as lines:
        for line in lines.iter_lines():
            if line.startswith("data:") and '"content": ""' not in line:
                break
    (turn,) = settled(app, guest)
    assert turn.state == "aborted" and turn.content
    assert turn.details["completion_tokens"] < WHOLE
    assert turn.details["finish_reason"] == "cancelled"


def test_leaving_before_the_answer_stops_the_work(app: App, guest: Program, slow: None) -> None:
    with pytest.raises(httpx.ReadTimeout):
        guest.http.post(PATH, json=body(), timeout=0.7)
    (turn,) = settled(app, guest)
    assert turn.state == "aborted" and turn.details["completion_tokens"] < WHOLE


def test_deadline_keeps_what_there_is(app: App, guest: Program, slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.rest.completions.DEADLINE_S", 0.6)
    answer = guest.http.post(PATH, json=body()).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert "after 0.6 seconds" in answer["flywheel"]["notice"]
    (turn,) = settled(app, guest)
    assert (turn.state, turn.details["finish_reason"]) == ("stopped", "deadline")


def test_model_that_loads_is_503(app: App, guest: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.services.engine, "_ready", (False, "loading `parrot`"))
    response = guest.http.post(PATH, json=body())
    assert "loading `parrot`" in told(response, 503)["message"]
    assert int(response.headers["retry-after"]) > 0


def test_failure_in_a_stream_is_told_in_it(app: App, guest: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    import openai

    def broken(ids: Sequence[int]) -> str:
        raise RuntimeError("a defect")

    monkeypatch.setattr(app.services.engine, "_decode_ids", broken)
    with pytest.raises(openai.APIError, match="The model failed"):
        list(guest.client.chat.completions.create(**body(stream=True)))
    response = guest.http.post(PATH, json=body())
    assert told(response, 500)["code"] == "model_failed" and "a defect" not in response.text
    assert {turn.state for turn in settled(app, guest)} == {"failed"}


def test_defect_is_told_without_its_words(app: App, guest: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*args: object, **more: object) -> None:
        raise Unavailable("full") if more.get("kind") else ZeroDivisionError("secret words")

    monkeypatch.setattr(app.services.versions, "known", defect)
    response = guest.http.post(PATH, json=body(model="v0"))
    assert told(response, 500)["code"] == "internal_error" and "secret words" not in response.text
