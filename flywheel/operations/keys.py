"""Keys for programs, as operations."""

from collections.abc import Iterator
from dataclasses import asdict

from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services
from storage.keys import Key


def keys(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Issue, list or revoke keys. A key is told when it is issued and never again."""
    action = args["action"]
    if action == "create":
        learning = args.get("learn") != "no"
        issued = services.keys.create(who, args["role"], args.get("name") or "", learning=learning)
        yield {"result": asdict(issued) | ({} if learning else {"learning": False})}
    elif action == "learn":
        yield {"result": _told(services.keys.learn(who, args["id"], args["allowed"] == "yes"))}
    elif action == "revoke":
        yield {"result": _told(services.keys.revoke(who, args["id"]))}
    else:
        for key in services.keys.listing(who):
            yield {"result": _told(key)}


def _told(key: Key) -> dict[str, str | bool | None]:
    def day(at: object) -> str | None:
        return None if at is None else str(at)[:10]

    told = {"id": key.id, "role": key.role, "name": key.name, "created": day(key.created)}
    return told | {"last_used": day(key.last_used), "revoked": day(key.revoked), "learning": key.learning}
