"""Who decided what, when, before and after: pages of it for reviewers and owners, and all of it as a file.

Whether nothing was changed afterwards is the ledger's to prove (`audit verify`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from flywheel.errors import InvalidInput
from flywheel.roles import Principal, Role, require
from flywheel.words.catalogue import say
from storage.audit import KINDS, AuditStore, Entry, Filters
from storage.files import write_atomic

PAGE = 50
OWNERS_ALONE = ("access",)
"""Kinds that a reviewer does not read: who was let in."""


class Audit:
    """Reads decisions for those who may."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    def page(
        self, who: Principal, filters: Filters | None = None, before: str | None = None, limit: int = PAGE
    ) -> list[Entry]:
        """At most 50, newest first; `before` is the place of the last entry above. Raises InvalidInput."""
        return self._store.page(_allowed(who, filters or Filters()), min(limit, PAGE), before)

    def all(self, who: Principal, filters: Filters | None = None) -> Iterator[Entry]:
        """Every decision that fits, newest first, read page by page."""
        wanted, before = _allowed(who, filters or Filters()), None
        while page := self._store.page(wanted, 1000, before):
            yield from page
            before = page[-1].place

    def export(self, who: Principal, out: Path, filters: Filters | None = None) -> int:
        """One JSON object a line into `out`; returns how many. Raises InvalidInput where `out` cannot be written."""
        lines = [
            json.dumps({**asdict(entry), "at": entry.at.isoformat()}, ensure_ascii=False)
            for entry in self.all(who, filters)
        ]
        try:
            write_atomic(out, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise InvalidInput(say("error.file.unwritable", out=out, reason=error.strerror)) from error
        return len(lines)


def kinds_for(who: Principal) -> list[str]:
    """The kinds that somebody may read."""
    require(who, Role.REVIEWER)
    return [kind for kind in KINDS if who.role >= Role.OWNER or kind not in OWNERS_ALONE]


def _allowed(who: Principal, filters: Filters) -> Filters:
    allowed = kinds_for(who)
    if unknown := [kind for kind in filters.kinds if kind not in KINDS]:
        raise InvalidInput(say("error.audit.no_kind", kind=unknown[0][:60], known=", ".join(allowed)))
    return replace(filters, kinds=[kind for kind in filters.kinds if kind in allowed])
