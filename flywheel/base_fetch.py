"""Bringing the base model here: from the Hub where it is named by an id, checked before anything loads it.

A download tells how far it is; one that breaks off goes on where it was; while the Hub is away it is tried again until
it is back, and what is in the cache is used without asking. A model that needs code of its own, or has only pickles, is
refused by its small files, before its weights are fetched.
"""

import logging
import threading
from pathlib import Path

from flywheel.base_model import COMMIT, BaseModel
from flywheel.errors import Unavailable
from flywheel.serving.loading import Base, Say
from flywheel.words.catalogue import say
from storage.errors import HubBusy
from storage.hub import Hub
from trainers.weights import BASE_FILES, check_base, check_config

RETRY_S = 20.0
SMALL_FILES = ("*.json",)
GIGABYTE = 1e9
log = logging.getLogger(__name__)


class Closing(Exception):
    """The process ends; whatever is here already is kept."""


class BaseFetch:
    """Makes one base present and pins it. Called by the one thread that loads models."""

    def __init__(self, base: BaseModel, hub: Hub, retry_s: float = RETRY_S) -> None:
        self._base, self._hub, self._retry_s = base, hub, retry_s
        self._told = -1
        self._note = ""

    def prepare(self, report: Say, closing: threading.Event) -> Base:
        """Have the base here and sound; returns what a loader is given.

        Raises JobError for a model that is not loaded here, HubDenied and HubMissing, Unavailable for a full disk,
        Closing. Does not return while the Hub is away and the cache lacks the base; it says so and tries again.
        """
        if not self._base.is_on_hub:
            check_base(self._base.name, Path(self._base.location))
            return Base(self._base.location, None)
        while True:
            try:
                self._base.pin(*self._fetched(report, closing))
                return Base(self._base.location, self._base.revision, self._note)
            except HubBusy as error:
                log.warning("%s", error)
                again = f"{self._retry_s:.0f}"
                report(say("model.not_here", base=self._base.name, error=error, seconds=again), stuck=True)
                if closing.wait(self._retry_s):
                    raise Closing from error
            except OSError as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Unavailable:
        words = say("error.base.cache_unwritable", base=self._base.name, reason=error.strerror or error)
        return Unavailable(words)

    def _fetched(self, report: Say, closing: threading.Event) -> tuple[str, Path]:
        """The commit and its folder, complete."""
        name, wanted = self._base.location, self._base.revision
        if wanted and COMMIT.fullmatch(wanted) and (folder := self._cached(wanted)):
            return wanted, folder
        try:
            small = self._hub.download(name, wanted, SMALL_FILES)
        except HubBusy as error:
            if (folder := self._cached(wanted)) is None:
                raise
            log.warning("%s The copy of `%s` in the cache is used: %s.", error, self._base.name, folder.name[:12])
            self._note = say("model.cached")
            return folder.name, folder
        check_config(self._base.name, small)
        if folder := self._cached(small.name):
            return folder.name, folder
        report(say("model.fetching", base=self._base.name))

        def told(done: int, total: int) -> None:
            if closing.is_set():
                raise Closing
            self._tell(report, done, total)

        folder = self._hub.download(name, small.name, BASE_FILES, told)
        check_base(self._base.name, folder)
        return folder.name, folder

    def _cached(self, revision: str | None) -> Path | None:
        folder = self._hub.cached(self._base.location, revision, BASE_FILES)
        if folder is not None:
            check_base(self._base.name, folder)
        return folder

    def _tell(self, report: Say, done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        size = f"{total / GIGABYTE:.1f} GB" if total >= GIGABYTE / 10 else f"{total / 1e6:.1f} MB"
        if percent != self._told:
            words = say("model.downloading", base=self._base.name, percent=percent, size=size)
            report(words)
            # A terminal need not see each percent.
            if percent // 10 != self._told // 10:
                log.info("%s", words)
            self._told = percent
