"""Two answers to one question at once: one stream of updates, and two turns beside each other.

Each answer is followed on a thread of its own, so that neither waits for the other. Each turn names the other in its
details (`beside`) and where it stood (`at`: 0 left, 1 right); the second of two that say the same is not stored.
Knows no roles and no choices.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from flywheel.reply import Asked, Reply, Update
from flywheel.serving.engine import Sampling, Stream
from flywheel.tasks.build import Task
from storage.conversations import Turn
from storage.ids import new_id

Store = Callable[[str, str, str, dict[str, Any]], Turn]


@dataclass(frozen=True)
class Side:
    """Who answers on one side, and how."""

    version: str
    sampling: Sampling


class Abreast:
    """Follows two replies as one. What is read of an update is the left answer, with the right one in its `other`."""

    def __init__(self, task: Task, left: tuple[Asked, Stream, Store], right: tuple[Asked, Stream, Store]) -> None:
        self._completion = task.completion
        self._keeping, self._kept = threading.Lock(), list[Turn]()
        # The later id is the one that is shown where nobody chooses.
        ids = (new_id(), new_id())[::-1]
        self.replies = tuple(
            Reply(asked, stream, task.outcome, self._keeper(store, at, ids[1 - at]), id=ids[at])
            for at, (asked, stream, store) in enumerate((left, right))
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """Those of both turns, the left one first."""
        return tuple(reply.id for reply in self.replies)

    def stop(self) -> None:
        """Ask for the end of both; what there is of them is stored as stopped."""
        for reply in self.replies:
            reply.stop()

    def updates(self) -> Iterator[Update]:
        """As a reply's. The last one carries the turn to go on from: the left one, unless only the right one is whole.

        Closing it cancels both.
        """
        news: SimpleQueue[tuple[int, Update | BaseException | None]] = SimpleQueue()
        left_alone = threading.Event()
        threads = [
            threading.Thread(target=_follow, args=(at, reply, news, left_alone), name="answer", daemon=True)
            for at, reply in enumerate(self.replies)
        ]
        for thread in threads:
            thread.start()
        latest: dict[int, Update] = {}
        try:
            while not all(at in latest and latest[at].done for at in (0, 1)):
                at, told = news.get()
                if isinstance(told, BaseException):
                    raise told
                latest[at] = told if told is not None else latest[at]
                if len(latest) == 2 and not all(update.done for update in latest.values()):
                    yield replace(latest[0], done=False, turn=None, other=latest[1])
        finally:
            left_alone.set()
            for thread in threads:
                thread.join()
        yield _ended(latest[0], latest[1])

    def _keeper(self, store: Store, at: int, other: str) -> Store:
        def keep(id: str, text: str, state: str, details: dict[str, Any]) -> Turn:
            with self._keeping:
                for kept in self._kept:
                    if state == kept.state == "complete" and self._completion(text) == self._completion(kept.content):
                        return kept
                self._kept.append(store(id, text, state, details | {"beside": other, "at": at}))
                return self._kept[-1]

        return keep


def _follow(at: int, reply: Reply, news: "SimpleQueue[Any]", left_alone: threading.Event) -> None:
    try:
        with closing(reply.updates()) as updates:
            for update in updates:
                news.put((at, update))
                if left_alone.is_set():
                    break
    except BaseException as error:
        # Whoever reads the updates gets it; here it would be lost.
        news.put((at, error))


def _ended(left: Update, right: Update) -> Update:
    assert left.turn is not None and right.turn is not None
    same = left.turn.id == right.turn.id
    ahead, other = (right, left) if _worth(right.turn) > _worth(left.turn) else (left, right)
    assert ahead.turn is not None
    return replace(ahead, turn_id=ahead.turn.id, other=None if same else other)


def _worth(turn: Turn) -> tuple[bool, bool]:
    return turn.state == "complete", bool(turn.content.strip())
