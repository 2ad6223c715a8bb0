"""Versions: which one serves, and the way there and back.

One row says which version serves; before it is written and after it, exactly one does. Nothing is promoted that the
gate has not passed, but for an owner's written reason; nothing damaged is ever served. What a version is worth is
`standing`'s to say. Knows no model library.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from flywheel import answers
from flywheel.answers import AnswerPage
from flywheel.base_model import BaseRecord
from flywheel.errors import Conflict, Damaged, InvalidInput, NotFound, Refused
from flywheel.gate import Verdict
from flywheel.roles import Principal, Role, require
from flywheel.serving.engine import BASE_VERSION, AdapterSpec
from flywheel.standing import Scores, Standing, VersionView
from flywheel.words.catalogue import say
from storage.home import Home
from storage.publications import Publication, PublicationStore
from storage.versions import Promotion, Version, VersionStore
from trainers.job import ADAPTER_FILES

LEAST_REASON = 3
"""Characters of an override's reason: enough to rule out a stray key."""


class Versions:
    """All versions of one home. Thread-safe."""

    def __init__(
        self,
        versions: VersionStore,
        home: Home,
        standing: Standing,
        publications: PublicationStore,
        on_served: Callable[[str], None] = lambda version: None,
    ) -> None:
        """`on_served` is told the name of each version that begins to serve, after it is recorded."""
        self._versions, self._home, self._standing = versions, home, standing
        self._publications = publications
        self.on_served = on_served
        self._deciding = threading.Lock()

    def served(self) -> str:
        """The version that answers now; a model at another server knows no version but the base."""
        if self._standing.base.is_remote:
            return BASE_VERSION
        return self._versions.served()

    def base(self, who: Principal) -> BaseRecord:
        """What is known of the base, its licence included. Unavailable while it is being fetched, Conflict where it
        runs at another server."""
        require(who, Role.OWNER)
        base = self._standing.base
        base.require_here(say("elsewhere.terms"))
        return base.record()

    def known(self, name: str) -> bool:
        """Whether there is a version of exactly this name."""
        found = self._versions.get(name)
        return found is not None and found.id == name

    def names(self) -> list[tuple[str, datetime | None]]:
        """Every version that can be asked, newest first, with when it was made; the base, last, came with no date."""
        return [*((version.id, version.created) for version in self._versions.list()), (BASE_VERSION, None)]

    def adapter(self, name: str) -> AdapterSpec | None:
        """Where a version's adapter lies, for an engine; None for the base and for an unknown version.

        Raises Damaged when the files are gone, or belong to another base than the one configured.
        """
        version = self._versions.get(name) if name != BASE_VERSION else None
        if version is None:
            return None
        folder = self._home.version_dir(name)
        if problem := self._standing.other_base(version):
            raise Damaged(say("error.version.wrong_base", version=name, problem=problem))
        if not all((folder / file).is_file() for file in ADAPTER_FILES):
            raise Damaged(say("error.version.adapter_gone", version=name, folder=folder))
        return AdapterSpec(folder, version.base_form, version.adapter_sha256 or "")

    def listing(self, who: Principal) -> list[VersionView]:
        """Every version with its scores and its verdict, newest first."""
        require(who, Role.OWNER)
        return self._views(self._versions.list())

    def newest(self, who: Principal) -> VersionView | None:
        """The version made last; None before the first."""
        require(who, Role.OWNER)
        made = self._versions.list()
        return self._views(made[:1])[0] if made else None

    def show(self, who: Principal, name: str) -> VersionView:
        """One version. Raises NotFound."""
        require(who, Role.OWNER)
        return self._views([self._version(name)])[0]

    def history(self, who: Principal) -> list[Promotion]:
        """Every decision on what serves, newest first."""
        require(who, Role.OWNER)
        return self._versions.history()

    def verdict(self, who: Principal, name: str, against: str | None = None) -> Verdict:
        """May this version serve instead of `against` (what serves now, unless named)? Raises NotFound."""
        require(who, Role.OWNER)
        return self._standing.verdict(self._version(name), against or self.served(), self._standing.scores())

    def answers(self, who: Principal, name: str, suite: str, limit: int = 20, offset: int = 0) -> AnswerPage:
        """What base, current and candidate answered to the rows of a suite, those that changed first.

        Raises NotFound for an unknown version or a suite it has not answered.
        """
        require(who, Role.OWNER)
        (view,) = self._views([self._version(name)])
        return answers.page(self._standing.scores(), self._home, view, suite, limit=limit, offset=offset)

    def sound(self, who: Principal, name: str) -> Version:
        """A trained version whose files are whole and belong to the base configured, all of them read anew.

        Raises NotFound, InvalidInput for the base, Damaged.
        """
        require(who, Role.OWNER)
        self._standing.base.require_here(say("elsewhere.published"))
        if name == BASE_VERSION:
            raise InvalidInput(say("error.version.is_base"))
        version = self._version(name)
        self._refuse_damaged(version, "use")
        return version

    def promote(self, who: Principal, name: str, override: str | None = None) -> Promotion:
        """Make a version serve. Raises Refused with the gate's reasons, Damaged, Conflict, NotFound, InvalidInput.

        `override` is an owner's reason to do it although the gate does not pass it; it is kept with the decision.
        """
        require(who, Role.OWNER)
        self._standing.base.require_here(say("versions.elsewhere"))
        if override is not None and len(override.strip()) < LEAST_REASON:
            raise InvalidInput(say("error.version.no_reason", override=override))
        with self._deciding:
            version, current = self._version(name), self.served()
            if name == current:
                raise Conflict(say("error.version.served_already", version=name))
            self._refuse_damaged(version)
            verdict = self._standing.verdict(version, current, self._standing.scores())
            if verdict.state != "passed" and override is None:
                raise Refused(
                    say("error.version.gate", state=verdict.state, version=name, told=" ".join(verdict.blocking))
                )
            reason = None if override is None or verdict.state == "passed" else override.strip()
            kept = {**asdict(verdict), "against": current, "policy": asdict(self._standing.policy)}
            promotion = self._versions.promote(name, kind="promote", override=reason, verdict=kept, by=who.id)
        self.on_served(name)
        return promotion

    def rollback(self, who: Principal, name: str | None = None) -> Promotion:
        """Serve the version before this one again, or a named one that served once.

        Raises Conflict when there is none before, Refused for a version that never served, Damaged, NotFound.
        """
        require(who, Role.OWNER)
        self._standing.base.require_here(say("versions.elsewhere"))
        with self._deciding:
            current, history = self.served(), self._versions.history()
            target = name or _before(current, history)
            if target is None:
                raise Conflict(say("error.version.was_first", version=current))
            if target == current:
                raise Conflict(say("error.version.served_target", version=target))
            if target != BASE_VERSION:
                version = self._version(target)
                if target not in {decision.version for decision in history}:
                    raise Refused(say("error.version.never_served", version=target))
                self._refuse_damaged(version)
            promotion = self._versions.promote(target, kind="rollback", override=None, verdict={}, by=who.id)
        # Outside of the lock: the engine may take its time to load.
        self.on_served(target)
        return promotion

    def _views(self, versions: Sequence[Version]) -> list[VersionView]:
        scores, history, published = self._standing.scores(), self._versions.history(), self._publications.published()
        return [self._view(version, scores, history, published) for version in versions]

    def _view(
        self,
        version: Version,
        scores: Scores,
        history: Sequence[Promotion],
        published: Mapping[str, Publication],
    ) -> VersionView:
        promotion = next((p for p in history if p.version == version.id and p.kind == "promote"), None)
        # Of one that has served, its worth is what it had over the one it replaced.
        against = promotion.previous if promotion else self.served()
        view = self._standing.view(version, against, promotion, scores)
        return replace(view, publication=published.get(version.id))

    def _refuse_damaged(self, version: Version, purpose: str = "serve") -> None:
        if problems := self._standing.problems(version, fresh=True):
            remedy = self._standing.base_remedy(version) or say("error.version.restore")
            raise Damaged(
                say(
                    f"error.version.unusable.{purpose}",
                    version=version.id,
                    problems="; ".join(problems),
                    remedy=remedy,
                )
            )

    def _version(self, name: str) -> Version:
        if name == BASE_VERSION:
            raise InvalidInput(say("error.version.roll_back_to_base"))
        found = self._versions.get(name)
        if found is None:
            raise NotFound(say("error.version.unknown", version=name))
        return found


def _before(current: str, history: Sequence[Promotion]) -> str | None:
    """What the current version replaced when it was last promoted; a rollback does not count, or two would undo it."""
    return next((p.previous for p in history if p.version == current and p.kind == "promote"), None)
