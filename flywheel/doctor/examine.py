"""All checks in their order, on a home that may be missing, damaged, or held by an app (which then looks for us)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

from flywheel import client
from flywheel.doctor import home as place
from flywheel.doctor import machine
from flywheel.doctor.finding import OK, PROBLEM, WARNING, Finding, looked
from flywheel.doctor.records import records
from flywheel.errors import ConfigurationError
from flywheel.operations.event import Event
from flywheel.settings import Settings
from storage.database import Database
from storage.errors import HomeLocked, OlderDatabase
from storage.home import Home
from storage.lock import Holder, HomeLock, holder


def examine(read: Callable[[], Settings], *, online: bool = False) -> Iterator[Event]:
    """A result for each finding as it is made; exit 1 when there is a problem. `read` gives the settings, or raises."""
    problems = 0
    for finding in _findings(read, online):
        problems += finding.level == PROBLEM
        yield {"result": asdict(finding)}
    yield {"exit": 1 if problems else 0}


def _findings(read: Callable[[], Settings], online: bool) -> Iterator[Finding]:
    yield from looked("python", machine.python)
    yield from looked("libraries", machine.libraries)
    try:
        settings = read()
    except ConfigurationError as error:
        yield Finding(PROBLEM, "settings", str(error), "The rest is looked at once the settings can be read.")
        return
    home = Home(settings.home)
    app = _holder(home)
    yield from looked("settings", partial(machine.together, settings))
    yield from looked("language", partial(machine.language, settings))
    yield from looked("home", partial(place.folder, home))
    yield from looked("disk", partial(place.disk, home))
    yield from looked("lock", partial(place.held, app))
    yield from looked("traces", partial(place.left_behind, home))
    if home.database.exists():
        yield from looked("keys", partial(place.keys, home))
        yield from looked("database", partial(_database, settings, home, app))
    if app is None:
        yield from looked("port", partial(machine.port, settings))
    yield from looked("base model", partial(machine.base, settings))
    if settings.engine == "local":
        yield from looked("device", partial(machine.device, settings))
    yield from looked("hub", partial(machine.hub, settings, online))


def _holder(home: Home) -> Holder | None:
    try:
        return holder(home)
    except OSError:
        # A home that cannot even be read is told as such by its own check.
        return None


def _database(settings: Settings, home: Home, app: Holder | None) -> Iterator[Finding]:
    if app is not None:
        yield from _through(app, home)
        return
    try:
        lock = HomeLock.acquire(home, "")
    except HomeLocked as error:
        yield from _through(Holder(error.pid, error.url), home)
        return
    try:
        database = Database.look(home.database, home.ledger_tail)
    except OlderDatabase as error:
        yield Finding(WARNING, "database", str(error))
    else:
        yield Finding(OK, "database", f"it opens; {database.head.seq} records")
        try:
            yield from records(database, home, settings)
        finally:
            database.close()
    finally:
        lock.release()


def _through(app: Holder, home: Home) -> Iterator[Finding]:
    """What the app that holds the database finds in it."""
    for event in client.ask(app.url, home.owner_token(), "doctor", {}):
        if "result" in event:
            yield Finding(**event["result"])
