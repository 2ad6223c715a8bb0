"""Publishing: a version, merged, with its card and its lineage, in one commit on the Hub, tagged with its name.

Token, rights and tag are looked at before anything is merged. One publication at a time, in a thread of its own, so
that the chat never waits; it is told step by step and may be watched from any page. Each try finds out what an earlier
one left on the Hub and goes on from there: a commit that is there is only tagged, a tag that is there is left alone.
Knows what a publication consists of from `release`, and the Hub from `storage.hub`.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TypeVar

from flywheel import release
from flywheel.errors import PUBLIC, Conflict, FlywheelError, InvalidInput, Refused, Unavailable
from flywheel.merging import Merging
from flywheel.origins import Origins
from flywheel.release_state import (
    going_on,
    lineage_at,
    ours,
    refuse_foreign,
    refuse_other_visibility,
    same_files,
)
from flywheel.roles import Principal, Role, require
from flywheel.standing import VersionView
from flywheel.steps import Step
from flywheel.versions import Versions
from flywheel.words.below import words_of
from flywheel.words.catalogue import say
from storage.hub import Hub
from storage.publications import Publication, PublicationStore

WAIT_S = 0.2
CLOSING_S = 5.0
T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """One publication as it stands, here and now."""

    version: str
    repo: str
    state: str
    """`running`, `published`, `unchanged` (it was there already) or `failed`."""
    words: str
    """What goes on, or how it ended."""
    fraction: float | None = None
    publication: Publication | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Order:
    """What is to be published where."""

    who: Principal
    view: VersionView
    repo: str
    public: bool

    @property
    def name(self) -> str:
        return self.view.version.id

    @property
    def visibility(self) -> str:
        return "public" if self.public else "private"


class Publishing:
    """Publishes versions of one home. Thread-safe; a second publication meanwhile is refused."""

    def __init__(
        self,
        publications: PublicationStore,
        versions: Versions,
        merging: Merging,
        origins: Origins,
        hub: Callable[[], Hub],
        repo: str,
    ) -> None:
        """`repo` is where versions go unless another is named; empty when none is configured."""
        self._publications, self._versions, self._merging, self._origins = publications, versions, merging, origins
        self._hub, self._repo = hub, repo
        self._progress: Progress | None = None
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()
        self._closing = threading.Event()

    @property
    def default_repo(self) -> str:
        """Where versions go unless another repository is named; empty when none is configured."""
        return self._repo

    def progress(self, who: Principal) -> Progress | None:
        """The publication at hand, or the last one since the app started; None before the first."""
        require(who, Role.OWNER)
        return self._progress

    def history(self, who: Principal) -> list[Publication]:
        """Every attempt on a model, newest first. One that has not ended and is not at hand was interrupted."""
        require(who, Role.OWNER)
        return [one for one in self._publications.list() if not one.is_dataset]

    def start(self, who: Principal, name: str, repo: str | None = None, *, public: bool = False) -> Progress:
        """Begin to publish a version and return at once.

        Raises NotFound, InvalidInput, Damaged; Refused, with the reasons, for one that the gate did not pass; Conflict
        while another is being published.
        """
        require(who, Role.OWNER)
        where = (repo or self._repo).strip()
        if not where:
            raise InvalidInput(say("error.hub.no_repository"))
        with self._changing:
            if self._thread is not None and self._thread.is_alive():
                at = self._progress
                raise Conflict(say("error.publish.busy", version=at.version if at else say("error.publish.a_version")))
            self._versions.sound(who, name)
            order = _Order(who, self._versions.show(who, name), where, public)
            refuse_unpassed(order.view)
            self._progress = progress = Progress(name, where, "running", "beginning")
            self._thread = threading.Thread(target=self._work, args=(order,), name="publishing", daemon=True)
            self._thread.start()
        return progress

    def publish(
        self, who: Principal, name: str, repo: str | None = None, *, public: bool = False
    ) -> Generator[Step, None, Progress]:
        """As `start`, then each step until it has ended. Raises what it ended with."""
        progress: Progress | None = self.start(who, name, repo, public=public)
        while (progress := self._progress) is not None and progress.state == "running":
            yield progress.words, progress.fraction
            time.sleep(WAIT_S)
        assert progress is not None
        if progress.error is not None:
            raise progress.error
        return progress

    def close(self) -> None:
        """Stop after the step at hand: a merge is given up, a commit is whole or not at all."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CLOSING_S)

    def _work(self, order: _Order) -> None:
        try:
            self._progress = self._published(order)
        except PUBLIC as error:
            self._fail(error)
        except Exception:
            # The thread's outermost edge.
            log.exception("publishing %s failed", order.name)
            self._fail(Unavailable(say("error.publish.failed", version=order.name)))

    def _fail(self, error: Exception) -> None:
        assert self._progress is not None
        self._progress = replace(self._progress, state="failed", words=words_of(error), fraction=None, error=error)

    def _tell(self, words: str, fraction: float | None = None) -> None:
        if self._closing.is_set():
            raise Unavailable(say("error.publish.stopping"))
        self._show(words, fraction)

    def _show(self, words: str, fraction: float | None) -> None:
        assert self._progress is not None
        self._progress = replace(self._progress, words=words, fraction=fraction)

    def _published(self, order: _Order) -> Progress:
        hub, name = self._hub(), order.name
        self._tell(say("publish.looking", name=name, repo=order.repo))
        hub.may_write(order.repo)
        there = hub.exists(order.repo)
        if there:
            refuse_other_visibility(hub, order.repo, name, public=order.public)
            if (sha := hub.refs(order.repo).tags.get(name)) is not None:
                return self._unchanged(hub, order, sha)
            refuse_foreign(hub, order.repo)
        attempt = self._publications.start(version=name, repo=order.repo, visibility=order.visibility, by=order.who.id)
        try:
            sha = self._sent(hub, order, there)
        except Exception as error:
            told = going_on(error, order.repo)
            words = words_of(told) if isinstance(told, PUBLIC) else type(told).__name__
            self._publications.end(attempt.id, "failed", reason=words, by=order.who.id)
            raise told from error
        return self._recorded(order, attempt, sha, "published")

    def _sent(self, hub: Hub, order: _Order, there: bool) -> str:
        """Merge, commit, tag; returns the commit."""
        merged = self._followed(self._merging.merged(order.view.version))
        self._tell(say("publish.card", name=order.name))
        origin = self._origins.of(order.view)
        files = release.files_of(order.repo, origin, merged, *self._origins.places(order.name))
        if not there:
            hub.create(order.repo, private=not order.public)
        head = hub.resolve(order.repo)
        remote = hub.files(order.repo, head)
        if not same_files(files, remote):
            stale = [path for path in ours(hub, order.repo, head, remote) if path not in files]
            self._tell(say("publish.sending", name=order.name, repo=order.repo), 0.0)

            def told(done: int, total: int) -> None:
                self._show(say("publish.sending", name=order.name, repo=order.repo), done / total if total else None)

            message = f"{order.name} of the flywheel"
            head = hub.commit(order.repo, files, message, delete=stale, progress=told)
        self._tell(f"{order.name}: tagging")
        hub.tag(order.repo, order.name, head)
        return head

    def _followed(self, steps: Generator[Step, None, T]) -> T:
        while True:
            try:
                words, fraction = next(steps)
            except StopIteration as end:
                found: T = end.value
                return found
            try:
                self._tell(words, fraction)
            except FlywheelError:
                steps.close()
                raise

    def _unchanged(self, hub: Hub, order: _Order, sha: str) -> Progress:
        """The tag is there: ours or not?"""
        lineage = lineage_at(hub, order.repo, sha)
        wanted = order.view.version.adapter_sha256
        if lineage is None or lineage.get("adapter_sha256") != wanted:
            raise Refused(say("error.hub.tag_taken", repo=order.repo, tag=order.name, sha=sha[:12]))
        known = self._publications.published().get(order.name)
        if known is not None and (known.repo, known.commit) == (order.repo, sha):
            words = say("publish.published_before", name=order.name, repo=order.repo, sha=sha[:12])
            return Progress(order.name, order.repo, "unchanged", words, None, known)
        # Done on the Hub by a try that could not write it down any more.
        attempt = self._publications.start(
            version=order.name, repo=order.repo, visibility=order.visibility, by=order.who.id
        )
        return self._recorded(order, attempt, sha, "unchanged")

    def _recorded(self, order: _Order, attempt: Publication, sha: str, state: str) -> Progress:
        done = self._publications.end(attempt.id, "published", commit=sha, tag=order.name, by=order.who.id)
        key = "published_before" if state == "unchanged" else "published"
        words = say(f"publish.{key}", name=order.name, repo=order.repo, sha=sha[:12])
        return Progress(order.name, order.repo, state, words, None, done)


def refuse_unpassed(view: VersionView) -> None:
    """Raise Refused, with the gate's reasons, for a version that it did not pass and nobody overrode."""
    promotion = view.promotion
    if promotion is not None and (promotion.override or promotion.verdict.get("state") == "passed"):
        return
    if view.verdict.state != "passed":
        told = " ".join(view.verdict.blocking or view.verdict.reasons)
        raise Refused(say("error.publish.gate", version=view.version.id, state=view.verdict.state, told=told))
