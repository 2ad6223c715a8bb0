"""What concerns people as such, as operations: being forgotten, being invited to review, how much they ask."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services


def forget(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Erase everything stored of somebody, or tell what that would be."""
    yield {"result": asdict(services.privacy.forget(who, args["user"], dry_run=bool(args.get("dry_run"))))}


def reviewers(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Who was invited to review by a link; invite somebody, or take it back."""
    if args["action"] == "invite":
        links = services.login_links(who, "reviewer", args["name"])
        yield {"result": {"role": "reviewer", "link": links[0], "links": links}}
    elif args["action"] == "revoke":
        yield {"result": {"revoked": services.invitations.revoke(who, args["name"])}}
    else:
        for one in services.invitations.listing(who):
            yield {"result": _plain(asdict(one))}


def usage(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Answers and tokens of each person and each program."""
    for one in services.usage.counts(who, args["limit"]):
        yield {"result": _plain(asdict(one))}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """With times as text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in record.items()}
