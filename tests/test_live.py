"""An answer while it is written: what is told of it, to whom, and how often."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from flywheel.errors import Forbidden, NotFound
from flywheel.live import Growing, Live
from flywheel.roles import ANONYMOUS, Principal, Role
from tests.support.app import App
from tests.support.events import Caller
from tests.support.paced import paced

Result = TypeVar("Result")
ANN, BOB = (Principal(f"guest:{uuid4().hex}", Role.GUEST) for _ in "ab")


def ran(work: Coroutine[Any, Any, Result]) -> Result:
    """Run in a thread of its own: a browser may have left a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_only_what_is_new_is_told() -> None:
    async def read() -> list[object]:
        growing = Live().begin(ANN, "a")
        told: list[object] = []
        growing.put(["It"])
        async for change in growing.changes():
            told.append(change)
            if len(told) == 1 or len(told) == 2:
                growing.put(["It is"])
            elif len(told) == 3:
                growing.put(["So", "No"])
            elif len(told) == 4:
                growing.put(["So", "Not it"])
            else:
                growing.end()
        return told

    assert ran(read()) == [
        [{"text": "It"}],
        [{"add": " is"}],
        [{}],
        [{"text": "So"}, {"text": "No"}],
        [{}, {"add": "t it"}],
    ]


def test_two_readers_are_told_all_and_leave_no_trace() -> None:
    async def read(growing: Growing) -> str:
        return "".join([change[0].get("text") or change[0].get("add", "") async for change in growing.changes()])

    async def both() -> list[str]:
        growing = Live().begin(ANN, "a")
        growing.put([""])
        readers = [asyncio.create_task(read(growing)) for _ in "ab"]
        for text in ("It", "It is", "It is so"):
            await asyncio.sleep(0)
            assert growing.is_read
            thread = threading.Thread(target=growing.put, args=([text],))
            thread.start()
            thread.join()
            await asyncio.sleep(0.01)
        growing.end()
        told = await asyncio.gather(*readers)
        assert not growing.is_read
        return told

    assert ran(both()) == ["It is so", "It is so"]


def test_an_answer_is_read_by_who_asked_and_while_it_is_written() -> None:
    live = Live()
    growing = live.begin(ANN, "a")
    assert live.growing(ANN, "a") is growing
    for who, id, refused in ((BOB, "a", NotFound), (ANN, "b", NotFound), (ANONYMOUS, "a", Forbidden)):
        with pytest.raises(refused):
            live.growing(who, id)
    growing.end()
    with pytest.raises(NotFound):
        live.growing(ANN, "a")


def test_a_long_answer_comes_in_pieces_and_at_most_twenty_a_second(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [f"word{number} " for number in range(100)]
    begin = paced(app, monkeypatch, pieces, 0.015)
    caller = Caller(app, ANN)

    async def follow() -> tuple[list[list[dict[str, str]]], str]:
        cookie = {"Cookie": app.services.identity.cookie(ANN).split(";")[0]}
        async with httpx.AsyncClient(base_url=app.url, headers=cookie, timeout=30) as client:
            while not (under_way := [id for id, one in app.services.live._growing.items() if one.owner == ANN.id]):
                await asyncio.sleep(0.005)
            address = f"/answers/{under_way[0]}/live"
            async with client.stream("GET", address) as answer:
                begin.set()
                assert answer.headers["content-type"].startswith("text/event-stream")
                other = {"Cookie": app.services.identity.cookie(BOB).split(";")[0]}
                refused = (await client.get(address, headers=other)).text
                return [json.loads(line[6:]) async for line in _data(answer)], refused

    asking = threading.Thread(target=caller.send, args=("chat_send", ["how many customers", None]))
    began = time.monotonic()
    asking.start()
    told, refused = ran(follow())
    seconds = time.monotonic() - began
    asking.join()
    assert refused == "event: end\ndata:\n\n"
    texts = [change[0] for change in told if change and change[0]]
    assert len(texts) >= 3 and len(told) <= 20 * seconds + 3
    assert sum("text" in change for change in texts) == 1, "all of it is sent again and again"
    so_far = "".join(change.get("text", "") + change.get("add", "") for change in texts)
    assert len(so_far) > 10 and "".join(pieces).startswith(so_far.strip())


async def _data(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield line
