"""Asking, and seeing where the wheel stands, as operations."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flywheel import addresses
from flywheel.errors import NotFound
from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services


def status(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Counts at each station of the wheel, the next step, and where the app runs, if it does."""
    url = addresses.for_people(services.settings)[0] if services.url else None
    yield {"result": {**asdict(services.wheel.status(who)), "url": url}}


def ask(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """One answer: the text as it grows as progress, the whole turn as the result."""
    started = time.monotonic()
    turn = None
    for update in services.chat.reply(who, None, args["text"], version=args.get("version"), source="cli"):
        yield {"stream": update.text}
        turn = update.turn or turn
    if turn is None:
        raise NotFound("The answer was not stored. Look at the log of the app, then ask again.")
    result: dict[str, Any] = {"text": turn.content, "turn_id": turn.id, "version": turn.version}
    result["seconds"] = round(time.monotonic() - started, 3)
    result |= turn.details.get("sql") or {}
    if turn.state == "failed":
        result["error"] = turn.details.get("error")
    yield {"result": result}
    yield {"exit": 1 if turn.state == "failed" else 0}
