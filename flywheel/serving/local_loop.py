"""The model thread's work: lets requests in, gives each version's group its turns, loads versions in between.

Everything here happens in one thread, a step at a time, so that no two calls on a model ever overlap and no version is
switched while another is being computed. Knows no text and no page.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from flywheel.errors import PUBLIC, Unavailable
from flywheel.serving.local_batch import room
from flywheel.serving.local_decode import Row
from flywheel.serving.local_group import MOST_ROWS, Group, Pace
from flywheel.serving.local_models import Models
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

SLICE_S = 0.03
"""For so long a group keeps the model while others wait: switching a version on takes about as long as a step."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Warm:
    """The wish that a version be in memory."""

    version: str
    done: "Future[None]"


Item = Row | Warm | None
"""What an engine's queue holds; None is the end."""


class Loop:
    """Waiting rows in the order they came, and a group for each version that is answering."""

    def __init__(self, models: Models, most_tokens: int, ended: Callable[[Row], None]) -> None:
        """`most_tokens` bounds what all groups together may come to hold. `ended` is told of each row that is done."""
        self._models, self._most_tokens, self._ended = models, most_tokens, ended
        self._waiting: list[Row] = []
        self._groups: dict[str, Group] = {}
        """In the order of their turns; the first has the model."""
        self._until = 0.0
        self._pace = Pace()

    def run(self, inbox: "SimpleQueue[Item]") -> None:
        """Work until the queue says None."""
        import torch

        with torch.inference_mode():
            while self._listen(inbox):
                self._let_in()
                self._turn()

    def end(self, inbox: "SimpleQueue[Item]") -> None:
        """End all that is under way or waits, with an error where nobody cancelled it. Nothing comes after this."""
        with suppress(Empty):
            while True:
                item = inbox.get_nowait()
                if isinstance(item, Warm):
                    item.done.set_exception(Unavailable(say("error.model.stopped")))
                elif item is not None:
                    self._waiting.append(item)
        for group in self._groups.values():
            group.drop_over()
            group.fail(say("error.model.stopped"))
        for row in self._waiting:
            if row.stream.take():
                self._refuse(row, say("error.model.stopped"))

    def _listen(self, inbox: "SimpleQueue[Item]") -> bool:
        """Take what came; wait for something only when there is nothing to do."""
        while True:
            try:
                item = inbox.get(block=not (self._groups or self._waiting))
            except Empty:
                return True
            if item is None:
                return False
            if isinstance(item, Warm):
                self._warm(item)
            else:
                self._waiting.append(item)

    def _let_in(self) -> None:
        """Start the waiting rows there is room for. Who waits for memory lets nobody pass."""
        still: list[Row] = []
        for number, row in enumerate(self._waiting):
            group = self._groups.get(row.version)
            if row.over():
                self._refuse(row) if row.stream.take() else self._ended(row)
            elif group is not None and len(group) >= MOST_ROWS:
                still.append(row)
            elif not self._fits(row, group):
                still += self._waiting[number:]
                break
            elif row.stream.take():
                self._start(row, group)
            else:
                self._ended(row)
        self._waiting = still

    def _refuse(self, row: Row, error: str | None = None) -> None:
        row.finish(error=error)
        self._ended(row)

    def _fits(self, row: Row, group: Group | None) -> bool:
        others = sum(room(other.lengths) for other in self._groups.values() if other is not group)
        here = room([*(group.lengths if group else ()), row.most])
        # What can be answered at all fits alone: the engine refused the rest.
        return not self._groups or others + here <= self._most_tokens

    def _start(self, row: Row, group: Group | None) -> None:
        try:
            (group or self._open(row.version)).add(row)
        except PUBLIC as error:
            self._refuse(row, words_of(error))
        except Exception:
            log.exception("loading %s failed", row.version)
            self._refuse(row, say("error.model.failed"))

    def _open(self, version: str) -> Group:
        spec = self._models.find(version)
        self._models.select(version, spec, keep=self._groups)
        apart = self._models.memory.apart is not None
        group = Group(version, spec, apart=apart, pace=self._pace, ended=self._ended)
        self._groups[version] = group
        return group

    def _turn(self) -> None:
        """One step of the group whose turn it is."""
        for version, group in list(self._groups.items()):
            group.drop_over()
            if not group:
                del self._groups[version]
        if not self._groups:
            return
        if time.monotonic() > self._until:
            version = next(iter(self._groups))
            self._groups[version] = self._groups.pop(version)
            self._until = time.monotonic() + SLICE_S
        group = next(iter(self._groups.values()))
        try:
            model = self._models.select(group.version, group.spec, keep=self._groups)
            group.turn(model, alone=len(self._groups) == 1)
        except PUBLIC as error:
            group.fail(words_of(error))
        except Exception:
            log.exception("answering with %s failed", group.version)
            group.fail(say("error.model.failed"))
        if not group:
            del self._groups[group.version]

    def _warm(self, warm: Warm) -> None:
        try:
            self._models.select(warm.version, self._models.find(warm.version), keep=self._groups)
        except PUBLIC as error:
            warm.done.set_exception(error)
        except Exception:
            log.exception("loading %s failed", warm.version)
            words = say("error.model.version_not_loaded", version=warm.version)
            warm.done.set_exception(Unavailable(words))
        else:
            warm.done.set_result(None)
