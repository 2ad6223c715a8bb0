"""Sign-in links and the audit, as operations."""

from collections.abc import Iterator
from dataclasses import asdict

from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal, Role, require
from flywheel.services import Services
from storage import ledger


def login_link(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A link that signs its holder in as reviewer or owner."""
    yield {"result": {"role": args["role"], "link": services.login_link(who, args["role"], args.get("name") or "")}}


def audit(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Check the ledger's chain; names the first broken row."""
    require(who, Role.OWNER)
    report = ledger.verify(services.database)
    yield {"result": asdict(report)}
    yield {"exit": 0 if report.ok else 1}
