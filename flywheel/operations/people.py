"""What concerns a person as such, as operations: being forgotten."""

from collections.abc import Iterator
from dataclasses import asdict

from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services


def forget(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Erase everything stored of somebody, or tell what that would be."""
    yield {"result": asdict(services.privacy.forget(who, args["user"], dry_run=bool(args.get("dry_run"))))}
