"""Where the work of programs is done: on a few threads of its own, with a line of waiting requests of bounded length.

The services are synchronous generators; the event loop only passes on what they yield. So many places and so few
threads that the page always finds room in the model's own queue. Knows nothing of what the work is.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from starlette.requests import Request

from flywheel.errors import TooMany

T = TypeVar("T")

WORKERS = 16
"""Answers that are written at once. With the page's own 40 they fit the 64 that the model lets wait."""
PLACES, PLACES_OF_ONE = 96, 48
"""Answers under way and waiting together; of one caller."""
PATIENCE_S = 60.0
"""After so long a wait in the line a request is better told to come again: its sender may have stopped listening."""
HELPERS = 8
"""Threads for what is short: reading a list, keeping a thumb."""


class Gone(Exception):
    """The client left; there is nobody to answer."""


class Room:
    """Runs generators for callers; each caller's number is bounded, and the number of all."""

    def __init__(self) -> None:
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="rest")
        self._helpers = ThreadPoolExecutor(HELPERS, thread_name_prefix="rest-short")
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Places taken now: answers under way and waiting."""
        with self._lock:
            return self._inside.total()

    async def short(self, job: Callable[[], T]) -> T:
        """The result of a short piece of work."""
        return await asyncio.get_running_loop().run_in_executor(self._helpers, job)

    async def follow(
        self, caller: str, start: Callable[[], Generator[T, None, None]], request: Request
    ) -> AsyncGenerator[T, None]:
        """What the generator yields, as it comes. When this is closed, or the client leaves, the generator is closed.

        Raises TooMany where there is no place, Gone when the client left, and whatever the generator raises.
        """
        self._enter(caller)
        relay: _Relay[T] = _Relay(start, lambda: self._leave(caller))
        watch = asyncio.create_task(_left(request))
        watch.add_done_callback(lambda _: relay.abandon())
        self._workers.submit(relay.run)
        try:
            while (item := await relay.items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            watch.cancel()
            relay.left.set()

    def _enter(self, caller: str) -> None:
        with self._lock:
            if self._inside[caller] >= PLACES_OF_ONE or self._inside.total() >= PLACES:
                raise TooMany(f"{self._inside.total()} answers are under way or waiting. Try again in a moment.")
            self._inside[caller] += 1

    def _leave(self, caller: str) -> None:
        with self._lock:
            self._inside[caller] -= 1
            if not self._inside[caller]:
                del self._inside[caller]


class _Relay(Generic[T]):
    """One generator that runs on a thread, and the queue of what it yielded on the event loop."""

    def __init__(self, start: Callable[[], Generator[T, None, None]], ended: Callable[[], None]) -> None:
        self._start, self._ended = start, ended
        self._loop = asyncio.get_running_loop()
        self._entered = time.monotonic()
        self.items: asyncio.Queue[T | Exception | None] = asyncio.Queue()
        """None ends it."""
        self.left = threading.Event()
        """Nobody listens any more."""

    def run(self) -> None:
        """On the thread: drive the generator to its end, or to the next yield after everybody left."""
        last: Exception | None = None
        try:
            self._drive()
        except Exception as error:
            last = error
        finally:
            self._ended()
            self._hand(last)

    def abandon(self) -> None:
        """On the event loop: the client left."""
        self.left.set()
        self.items.put_nowait(Gone())

    def _drive(self) -> None:
        if self.left.is_set():
            return
        if time.monotonic() - self._entered > PATIENCE_S:
            raise TooMany(f"No answer could be begun within {PATIENCE_S:.0f} s. Try again in a moment.")
        with contextlib.closing(self._start()) as items:
            for item in items:
                self._hand(item)
                if self.left.is_set():
                    return

    def _hand(self, item: T | Exception | None) -> None:
        # The loop is closed when the app ends; then nobody waits either.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.items.put_nowait, item)


async def _left(request: Request) -> None:
    """Returns when the client has closed the connection. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
