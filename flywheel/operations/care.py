"""Sign-in links, backups and the audit, as operations."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TypeVar

from flywheel import backups
from flywheel.audit import PAGE
from flywheel.doctor.records import records
from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal, Role, require
from flywheel.services import Services
from flywheel.settings import Settings
from storage.audit import KINDS, Filters
from storage.backup import Step

T = TypeVar("T")
KEYS_NOTE = (
    "The file holds this home's keys and everything people wrote, readable by you alone. Keep it like a password."
)


def login_link(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A link that signs its holder in as reviewer or owner."""
    links = services.login_links(who, args["role"], args.get("name") or "")
    yield {"result": {"role": args["role"], "link": links[0], "links": links}}


def backup(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Everything of the home in one file, while writers go on."""
    packed = yield from _told(services.backups.make(who, Path(args["out"]), checkpoints=bool(args.get("checkpoints"))))
    yield {"result": {**asdict(packed), "note": KEYS_NOTE}}


def restore(settings: Settings, archive: Path) -> Iterator[Event]:
    """A home made of a backup. No operation on a home: there is none yet."""
    returned = yield from _told(backups.restore(settings, archive))
    yield {"result": {**asdict(returned.restored), "notes": returned.notes}}


def _told(steps: Generator[Step, None, T]) -> Generator[Event, None, T]:
    """The steps as progress; returns what they return, and ends them when nobody listens any more."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            yield {"progress": step.words, "fraction": step.fraction}


def doctor(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """What of a checkup needs the database, which only the app that holds the home can read."""
    require(who, Role.OWNER)
    for finding in records(services.database, services.home, services.settings):
        yield {"result": asdict(finding)}


def audit(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Check the ledger's chain, naming the first broken row; or tell who decided what, on the screen or as a file."""
    kinds = (args["kind"],) if args.get("kind") else KINDS
    filters = Filters(kinds, args.get("by"), None, args.get("about"))
    if args["action"] == "list":
        for entry in islice(services.audit.all(who, filters), args.get("limit") or PAGE):
            yield {"result": asdict(entry)}
        return
    if args["action"] == "export":
        rows = services.audit.export(who, Path(args["out"]), filters)
        yield {"result": {"file": args["out"], "rows": rows}}
        return
    report = services.verify_ledger(who)
    yield {"result": asdict(report)}
    yield {"exit": 0 if report.ok else 1}
