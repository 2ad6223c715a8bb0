"""The chat page over a model that answers at once: first token, what an update costs, a crowd, a long conversation.

    .venv/bin/python -m benchmarks.chat [--people 32] [--rounds 5]

Each app is a process of its own, asked as a browser asks: an event into the queue, a stream of updates back. The
peer is a bare Gradio chat over the same model in the same run, which keeps nothing, knows nobody and shows no list.
On a busy machine single figures mean little; the ratios were taken side by side, and CPU seconds are exact.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

FIRST, WORD = "aardvark", " word"
"""What the stub says first, so that it can be told from anything else; and what it goes on with."""
STREAMED, EVERY_S = 300, 0.02
"""Pieces of a long answer, and the time between two of them."""
TURNS = 200
BUBBLE = re.compile("live-([0-9a-z]{26})-0")
"""Where the text of an answer appears, with the id it is followed by."""
CROWD = "one of many"
"""How the questions of the crowd begin."""
ASKED_EACH = 5


class Stub:
    """An engine that has nothing to think about: it answers at once, or, asked to `stream`, a piece every 20 ms."""

    base, context_length = "stub", None

    def ready(self) -> tuple[bool, str]:
        return True, "The stub answers."

    def wait_ready(self, timeout_s: float) -> tuple[bool, str]:
        return self.ready()

    def warm(self, version: str, timeout_s: float = 120.0) -> None:
        pass

    def check(self, messages: Sequence[Any]) -> None:
        pass

    def submit(self, messages: Sequence[Any], version: str, sampling: Any) -> Any:
        from flywheel.serving.engine import Generation, Stream

        waiting = Generation("", "stop", version, "stub", "full", 1)
        stream = Stream(waiting, 60.0)
        stream.take()
        pieces = pieces_for(messages[-1]["content"])

        def write() -> None:
            text = ""
            for piece in pieces:
                text += piece
                stream.put(piece)
            stream.finish(replace(waiting, text=text, completion_tokens=text.count(" ") + 1))

        if "stream" in messages[-1]["content"]:
            threading.Thread(target=write, daemon=True).start()
        else:
            write()
        return stream

    def control_tokens(self) -> tuple[str, ...]:
        return ()

    def count_tokens(self, text: Any) -> int:
        return len(str(text)) // 4

    def texts(self) -> None:
        return None

    def close(self) -> None:
        pass


def pieces_for(question: str) -> Iterator[str]:
    """The answer's pieces, at their pace."""
    yield FIRST
    if "stream" in question:
        for _ in range(STREAMED):
            time.sleep(EVERY_S)
            yield WORD


def serve(home: str, port: int) -> None:
    """The product over the stub, until it is killed."""
    from flywheel import services as composition
    from flywheel.settings import prepare_environment, read

    prepare_environment()
    composition.build_engine = lambda *given: Stub()  # type: ignore[assignment]
    from flywheel.ui.server import Server

    settings = read({"FLYWHEEL_HOME": home, "FLYWHEEL_TASK": "chat", "GRADIO_SERVER_PORT": str(port)})
    settings = replace(settings, guest_limit=replace(settings.guest_limit, per_minute=None, per_day=None))
    Server(composition.build_services(settings)).start()
    print("ready", flush=True)
    threading.Event().wait()


def serve_bare(port: int) -> None:
    """The peer: a chatbot, a box, a generator."""
    import gradio as gr

    def send(message: str, history: list[Any]) -> Iterator[Any]:
        before, text, last = [*history, {"role": "user", "content": message}], "", 0.0
        for piece in pieces_for(message):
            text += piece
            if time.monotonic() - last >= 0.05:
                last = time.monotonic()
                yield [*before, {"role": "assistant", "content": text}]
        yield [*before, {"role": "assistant", "content": text}]

    with gr.Blocks(analytics_enabled=False) as page:
        history, box = gr.Chatbot(), gr.Textbox()
        box.submit(send, [box, history], [history], api_name="chat_send", concurrency_limit=40)
        page.load(lambda: [], None, [history], api_name="chat_open")
    page.queue(default_concurrency_limit=40).launch(server_port=port, quiet=True, prevent_thread_lock=True)
    print("ready", flush=True)
    threading.Event().wait()


@dataclass
class Told:
    """One question as its asker saw it."""

    first_s: float
    whole_s: float
    updates: list[float] = field(default_factory=list)
    """When each update with text came."""
    ok: bool = True


class Asker:
    """One browser: a cookie, a tab, one event after another; an answer's text is followed where the page follows it."""

    def __init__(self, url: str) -> None:
        self.client = httpx.AsyncClient(base_url=url, timeout=120)
        self.tab = uuid4().hex[:10]

    async def open(self) -> None:
        await self.client.get("/")
        config = (await self.client.get("/config")).json()
        self._numbers = {event["api_name"]: event["id"] for event in config["dependencies"]}
        await self.send("chat_open", [])

    async def ask(self, question: str, *rest: Any) -> Told:
        """Send a question and follow its answer."""
        return await self.send("chat_send", [question, *rest])

    async def send(self, event: str, data: list[Any]) -> Told:
        """Send an event and follow it to its end."""
        body = {"fn_index": self._numbers[event], "data": data, "session_hash": self.tab}
        began, told, live = time.perf_counter(), Told(0.0, 0.0), None
        await self.client.post("/gradio_api/queue/join", json=body)
        async with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.tab}) as lines:
            async for line in lines.aiter_lines():
                if live is None and (bubble := BUBBLE.search(line)):
                    live = asyncio.create_task(self._live(bubble[1], told, began))
                if FIRST in line and not told.first_s:
                    told.first_s = time.perf_counter() - began
                if '"process_generating"' in line[:60] and (FIRST in line or WORD in line):
                    told.updates.append(time.perf_counter())
                if '"process_completed"' in line[:60]:
                    told.ok = json.loads(line[6:])["success"]
                    break
        told.whole_s = time.perf_counter() - began
        if live is not None:
            await live
        return told

    async def _live(self, id: str, told: Told, began: float) -> None:
        """The answer's own stream, which the page's script reads."""
        async with self.client.stream("GET", f"/answers/{id}/live") as lines:
            async for line in lines.aiter_lines():
                if FIRST in line and not told.first_s:
                    told.first_s = time.perf_counter() - began
                if FIRST in line or WORD in line:
                    told.updates.append(time.perf_counter())


@contextmanager
def running(*mode: str) -> Iterator[tuple[str, psutil.Process]]:
    """An app in a process of its own: its address, and the process."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.chat", *mode, str(port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert any(line.strip() == "ready" for line in child.stdout)
        yield f"http://127.0.0.1:{port}", psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(20)


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def first_tokens(url: str, rounds: int, *rest: Any) -> list[float]:
    """Seconds to the first token, one person alone, the first question left out."""
    asker = Asker(url)
    await asker.open()
    return [(await asker.ask(f"question {n}", *rest)).first_s for n in range(rounds + 1)][1:]


async def updating(url: str, process: psutil.Process, *rest: Any) -> tuple[float, float, int]:
    """CPU seconds of an update, the most updates within any second, and how many there were."""
    asker = Asker(url)
    await asker.open()
    await asker.ask("warm", *rest)
    idle, began = cpu(process), time.perf_counter()
    await asyncio.sleep(3)
    rate = (cpu(process) - idle) / (time.perf_counter() - began)
    before = cpu(process)
    told = await asker.ask("stream it", *rest)
    # An idle server is not quite idle: the page library looks into its queue all the time.
    spent, at = cpu(process) - before - rate * told.whole_s, told.updates
    return spent / len(at), max(sum(t <= other < t + 1 for other in at) for t in at), len(at)


async def crowd(url: str, people: int, *rest: Any) -> list[Told]:
    """Everybody asks one question after another, all at once."""
    askers = [Asker(url) for _ in range(people)]
    for asker in askers:
        await asker.open()

    async def one(asker: Asker) -> list[Told]:
        return [await asker.ask(f"{CROWD} {n}", *rest) for n in range(ASKED_EACH)]

    return [told for each in await asyncio.gather(*map(one, askers)) for told in each]


def fill(home: str) -> str:
    """A conversation of TURNS turns in a home nobody holds; returns its owner's cookie."""
    from flywheel.identity import Identity
    from flywheel.settings import read
    from storage.conversations import ConversationStore
    from storage.database import Database
    from storage.home import Home

    opened = Home.open(Path(home))
    database = Database.open(opened.database, opened.ledger_tail)
    who = Identity(opened.secret(), opened.owner_token(), read({"FLYWHEEL_HOME": home}))
    guest, store, last = who.new_guest(), ConversationStore(database), None
    talk = store.start(owner=guest.id, task="chat", title="long", by=guest.id)
    for n in range(TURNS):
        role = ("user", "assistant")[n % 2]
        text = f"{FIRST if n == TURNS - 1 else ''} A line of some **words** in turn {n}, as people write.\n\n" * 3
        last = store.add_turn(
            conversation_id=talk.id,
            parent_id=last,
            role=role,
            content=text,
            version="v0" if n % 2 else None,
            by=guest.id,
        ).id
    database.close()
    return who.cookie(guest).split(";")[0]


async def opening(url: str, cookie: str, rounds: int) -> list[float]:
    """Seconds from the page's own event to the whole conversation."""
    asker = Asker(url)
    asker.client.headers["Cookie"] = cookie
    await asker.open()
    return [(await asker.send("chat_open", [])).whole_s for _ in range(rounds)]


def in_a_browser(url: str, cookie: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds until the page shows the end of the long conversation, and until an empty page is there."""
    from tests.support.browser import started, visit

    def opened(text: str, **cookies: Any) -> float:
        visitor = visit(browser)
        if cookies:
            visitor.context.add_cookies([{"url": url, **cookies}])  # type: ignore[typeddict-item]
        began = time.perf_counter()
        visitor.page.goto(url)
        visitor.page.get_by_text(text).first.wait_for(state="attached")
        seconds = time.perf_counter() - began
        visitor.context.close()
        return seconds

    name, _, value = cookie.partition("=")
    with started() as browser:
        long = [opened(FIRST, name=name, value=value) for _ in range(rounds + 1)][1:]
        empty = [opened("Tell it when it is wrong") for _ in range(rounds + 1)][1:]
    return long, empty


def ms(seconds: Sequence[float]) -> str:
    found = sorted(seconds)
    return f"p50 {statistics.median(found) * 1e3:.0f} ms, p95 {found[int(len(found) * 0.95)] * 1e3:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    run: Callable[[Any], Any] = asyncio.run
    with tempfile.TemporaryDirectory() as folder:
        home = f"{folder}/home"
        cookie = fill(home)
        with running("--serve", home) as (url, process), running("--bare") as (bare, other):
            ours, theirs = [], []
            for _ in range(3):
                ours += run(first_tokens(url, options.rounds, None))
                theirs += run(first_tokens(bare, options.rounds, []))
            ratio = statistics.median(ours) / statistics.median(theirs)
            print(f"first token, one person     {ms(ours)}; bare Gradio {ms(theirs)}: {ratio:.2f} x")
            spent, most, count = run(updating(url, process, None))
            bare_spent, _, _ = run(updating(bare, other, []))
            print(
                f"an update                   {spent * 1e3:.2f} ms CPU, {most} in a second at most ({count} in all); "
                f"bare Gradio {bare_spent * 1e3:.2f} ms: {spent / bare_spent:.2f} x"
            )
            before, began = time.process_time(), time.perf_counter()
            told = run(crowd(url, options.people, None))
            share = (time.process_time() - before) / (time.perf_counter() - began)
            peer = run(crowd(bare, options.people, []))
            firsts, errors = [one.first_s for one in told], sum(not one.ok for one in told)
            print(f"{options.people} people, {len(told)} answers   {ms(firsts)}, {errors} errors", end="")
            print(f"; bare Gradio {ms([one.first_s for one in peer])}; the askers took {share:.0%} of a core")
            print(f"{TURNS} turns, the event        {ms(run(opening(url, cookie, options.rounds)))}")
            long, empty = in_a_browser(url, cookie, options.rounds)
            print(f"{TURNS} turns, in Chromium      {ms(long)}; an empty page {ms(empty)}")
        print(f"turns lost                  {lost(home, len(told))}")


def lost(home: str, answers: int) -> int:
    """Questions and answers of the crowd that are not stored; each is stored once."""
    from storage.database import Database
    from storage.home import Home

    opened = Home.open(Path(home))
    database = Database.open(opened.database, opened.ledger_tail)
    sql = "SELECT count(*) FROM turns WHERE conversation_id IN (SELECT id FROM conversations WHERE title = $1)"
    stored = int(database.value(sql, [f"{CROWD} 0"]))
    database.close()
    return 2 * answers - stored


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["--bare"]:
        serve_bare(int(sys.argv[2]))
    else:
        main()
