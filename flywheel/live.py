"""Answers while they are being written: put here by the event that has them written, read by the page that asked.

One is here from its first moment to its last, and is then forgotten: what is kept of it is the stored turn. An event
of the page library costs several times what a piece of text does, so the text takes this way (docs/architecture.md).
Knows no page, no HTTP and no model.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence

from flywheel.errors import NotFound
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say

Change = dict[str, str]
"""What is new of one text: `add` goes behind what was told, `text` takes the place of all of it; empty: nothing is."""


class Growing:
    """One answer under way, or two beside each other. Put from any thread, read in the server's loop."""

    def __init__(self, live: "Live", id: str, owner: str) -> None:
        self.owner = owner
        self._live, self._id = live, id
        self._lock, self._readers = threading.Lock(), list[_Reader]()
        self._texts: tuple[str, ...] = ()
        self._ended = False

    @property
    def is_read(self) -> bool:
        """Whether somebody follows it now."""
        return bool(self._readers)

    def put(self, texts: Sequence[str]) -> None:
        """All of each text so far. Told even where nothing is new: so a reader that has gone is noticed."""
        self._texts = tuple(texts)
        self._wake()

    def end(self) -> None:
        """It is whole, or nobody writes on it."""
        self._ended = True
        self._live.forget(self._id)
        self._wake()

    async def changes(self) -> AsyncGenerator[list[Change]]:
        """All there is, then what is new, until the end: one change for each text."""
        reader, told = _Reader(), tuple[str, ...]()
        with self._lock:
            self._readers.append(reader)
        try:
            while not self._ended:
                texts = self._texts
                yield _changes(told, texts)
                told = texts
                await reader.news.wait()
                reader.news.clear()
        finally:
            with self._lock:
                self._readers.remove(reader)

    def _wake(self) -> None:
        with self._lock:
            for reader in self._readers:
                # A server that stops may close its loop before an answer ends.
                if not reader.loop.is_closed():
                    reader.loop.call_soon_threadsafe(reader.news.set)


class _Reader:
    def __init__(self) -> None:
        self.loop, self.news = asyncio.get_running_loop(), asyncio.Event()


class Live:
    """The answers under way, by the turn's id (of two beside each other, the left one's)."""

    def __init__(self) -> None:
        self._growing: dict[str, Growing] = {}

    def begin(self, who: Principal, id: str) -> Growing:
        """An answer to this person begins; whoever begins it ends it."""
        self._growing[id] = Growing(self, id, who.id)
        return self._growing[id]

    def growing(self, who: Principal, id: str) -> Growing:
        """One's own answer under way. NotFound for anybody else's, and for one that has ended."""
        require(who, Role.GUEST)
        found = self._growing.get(id)
        if found is None or found.owner != who.id:
            raise NotFound(say("error.chat.not_growing"))
        return found

    def forget(self, id: str) -> None:
        """It has ended."""
        self._growing.pop(id, None)

    def close(self) -> None:
        """End them all: the server stops."""
        for growing in list(self._growing.values()):
            growing.end()


def _changes(told: Sequence[str], texts: Sequence[str]) -> list[Change]:
    if len(told) != len(texts):
        return [{"text": text} for text in texts]
    return [_change(before, now) for before, now in zip(told, texts, strict=True)]


def _change(before: str, now: str) -> Change:
    if before == now:
        return {}
    return {"add": now[len(before) :]} if now.startswith(before) else {"text": now}
