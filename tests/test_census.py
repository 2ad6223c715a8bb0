"""Every event and every route is declared with its least role, and nobody with less gets anything out of it."""

import re
from typing import Any

import pytest

from flywheel import census
from flywheel.roles import Principal, Role
from tests.support.app import App
from tests.support.events import Answered, Caller

WHO = {
    Role.ANONYMOUS: None,
    Role.GUEST: Principal("guest:" + "a" * 32, Role.GUEST),
    Role.REVIEWER: Principal("local:reviewer:ann", Role.REVIEWER),
    Role.OWNER: Principal("local:owner", Role.OWNER),
}
ON_A_SPACE_ONLY = {"/login/huggingface", "/login/callback"}
EVENTS_ON_A_SPACE_ONLY = {"space_open"}
SKIPPED = {"__type__": "update"}
REFUSED = re.compile(r"This needs the role|Your browser sent no Flywheel cookie")
# Answers of a kind that a browser sends, for each kind of component.
VALUES: dict[str, Any] = {
    "textbox": "x",
    "checkbox": True,
    "checkboxgroup": [],
    "number": 1,
    "slider": 1,
}


def name_of(fn: Any) -> str:
    return re.sub(r"_\d+$", "", str(fn.api_name))


def events(app: App) -> dict[str, Any]:
    """Name → event; those that only run a script in the browser call nothing here."""
    return {str(fn.api_name): fn for fn in app.server.events.values() if fn.fn is not None}


@pytest.fixture
def callers(app: App) -> dict[Role, Caller]:
    return {role: Caller(app, who) for role, who in WHO.items()}


def call(caller: Caller, fn: Any) -> Answered:
    """Send one event; a tab of its own for each would cost more than the events."""
    data = [VALUES.get(component.get_block_name()) for component in fn.inputs]
    event_data = {"index": 0, "value": {"text": "x"}, "liked": False, "selected": True}
    return caller.send(fn.api_name, data, event_data)


def says_nothing(answer: Answered) -> bool:
    """Refused in words, or, for events nobody clicked, left the page as it is."""
    untouched = answer.ok and all(item in (None, SKIPPED, SKIPPED | {"props": SKIPPED}) for item in answer.data)
    return untouched or (not answer.ok and REFUSED.search(answer.error) is not None)


def test_every_event_is_declared(app: App) -> None:
    assert {name_of(fn) for fn in events(app).values()} == set(census.EVENTS) - EVENTS_ON_A_SPACE_ONLY


def test_every_route_is_declared(app: App) -> None:
    served = {path.removesuffix("/") or "/" for path in app.server.routes}
    assert served - set(census.PAGES) - set(census.ROUTES) == set()
    assert set(census.ROUTES) - served - ON_A_SPACE_ONLY == set()


def test_every_page_is_served(app: App) -> None:
    assert set(census.PAGES) <= set(app.server.routes)


def test_lower_roles_get_nothing_from_any_event(app: App, callers: dict[Role, Caller]) -> None:
    head = app.services.database.head
    told = [
        f"{fn.api_name} as {role.name}: {answer}"
        for fn in events(app).values()
        for role in Role
        if role < census.EVENTS[name_of(fn)] and not says_nothing(answer := call(callers[role], fn))
    ]
    assert told == []
    assert app.services.database.head == head


def test_declared_role_is_enough(app: App, callers: dict[Role, Caller]) -> None:
    refused = [
        f"{fn.api_name} as {least.name}: {answer}"
        for fn in events(app).values()
        if (least := census.EVENTS[name_of(fn)]) and REFUSED.search((answer := call(callers[least], fn)).error)
    ]
    assert refused == []


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
def test_routes_open_to_their_roles_only(app: App, role: Role) -> None:
    caller = Caller(app, WHO[role])
    for path, least in census.ROUTES.items():
        concrete = re.sub(r"\{[^}]+\}", "x", path)
        if "heartbeat" in path or path == "/gradio_api/queue/data":
            continue
        status = caller.client.get(concrete).status_code
        if least is census.CLOSED:
            assert status == 404, f"{path} is closed and answered {status}"
        elif role < least:
            assert status == 403, f"{path} as {role.name} answered {status}"
        else:
            assert status not in (401, 403) or least is Role.ANONYMOUS or "file=" in path, f"{path}: {status}"


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/gradio_api/openapi.json", "/monitoring", "/nowhere", "/.env"]
)
def test_undeclared_paths_are_not_there(app: App, path: str) -> None:
    assert Caller(app, WHO[Role.OWNER]).client.get(path).status_code == 404


def test_pages_carry_no_data(app: App) -> None:
    services, guest = app.services, WHO[Role.GUEST]
    assert guest is not None
    canary = "canary in a question"
    for _ in services.chat.reply(guest, None, canary):
        pass
    for path in (*census.PAGES, "/config"):
        for role in Role:
            assert canary not in Caller(app, WHO[role]).client.get(path).text, f"{path} as {role.name}"
