"""Where a command runs: in the app that holds the home, or, when none does, in this process.

Two processes cannot share the database file, so a command never competes for it: it asks the app over loopback, with
the home's owner key. Knows nothing of argparse or of how results are printed.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from flywheel.differences import marks
from flywheel.errors import FlywheelError, Unavailable
from flywheel.operations.event import Event
from flywheel.operations.table import perform
from flywheel.roles import Principal, Role
from flywheel.services import build_services
from flywheel.settings import Settings
from storage.home import Home
from storage.lock import holder

OWNER = Principal("local:owner", Role.OWNER)
PATH = "/flywheel/command"


def run(settings: Settings, name: str, args: dict[str, Any]) -> Iterator[Event]:
    """The events of one operation, wherever it runs. Errors arrive as FlywheelError with the words and exit code."""
    home = Home.open(settings.home)
    app = holder(home)
    if app is not None:
        token = home.owner_token()
        given = marks(settings, token, settings.given)
        yield from ask(app.url, token, name, args, given)
        return
    # Most commands ask the model nothing; the others wait for it, and that loads it.
    services = build_services(settings, load=False)
    try:
        yield from perform(services, OWNER, name, args)
    finally:
        services.close()


def ask(
    url: str, token: str, name: str, args: dict[str, Any], given: Mapping[str, str] | None = None
) -> Iterator[Event]:
    """The events of one operation inside the app at `url`. Raises Unavailable when it does not answer.

    `given` are the marks of the settings of this shell; the app says which of them it does not use.
    """
    if not url:
        raise Unavailable("Flywheel is starting on this home. Try again in a few seconds.")
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=600)
    body = json.dumps({"name": name, "args": args, "settings": dict(given or {})})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", PATH, body, headers)
        done = False
        for line in connection.getresponse():
            event = json.loads(line)
            if "error" in event:
                raise _Remote(event["error"], int(event.get("exit", 1)))
            done = event.get("done", False)
            yield event
        if not done:
            raise Unavailable(f"The app at {url} ended before it had answered. Start it again, then try again.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(
            f"The app that holds this home did not answer at {url} ({error}). "
            "Look at its window, or stop it and try again."
        ) from error
    finally:
        connection.close()


class _Remote(FlywheelError):
    """An error of the app, in its own words and with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
