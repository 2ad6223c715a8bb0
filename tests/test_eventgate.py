"""An event that names a file is refused before anything fetches it; all else passes unchanged."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from flywheel.eventgate import JOIN, Event, EventGate
from flywheel.roles import Principal, Role

EVENTS = {0: Event("chat_send", 1), 1: Event("data_import", 1), 2: Event("chat_rate", 0, points=True)}
UPLOADED = {
    "path": "/tmp/gradio/abc/rows.jsonl",
    "url": "http://127.0.0.1:7860/x",
    "meta": {"_type": "gradio.FileData"},
}
ADDRESS = {**UPLOADED, "path": "http://example.invalid/x"}


class As:
    """Says who calls, as the role gate does."""

    def __init__(self, app: ASGIApp, role: Role) -> None:
        self._app, self._who = app, Principal("local:x", role)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["who"] = self._who
        await self._app(scope, receive, send)


def client(role: Role) -> TestClient:
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    layers = [Middleware(As, role=role), Middleware(EventGate, event_of=EVENTS.get)]
    return TestClient(Starlette(routes=[Route(JOIN, echo, methods=["POST"])], middleware=layers))


def event(number: Any, data: Any) -> dict[str, Any]:
    return {"fn_index": number, "data": data, "session_hash": "t"}


def test_ordinary_event_passes_unchanged() -> None:
    body = event(0, ["hello path", None, {"deep": [1, 2]}])
    answered = client(Role.GUEST).post(JOIN, json=body)
    assert (answered.status_code, answered.json()) == (200, body)


@pytest.mark.parametrize("role", [Role.ANONYMOUS, Role.GUEST, Role.REVIEWER, Role.OWNER])
@pytest.mark.parametrize("number", [0, 1])
def test_address_in_an_event_is_refused_for_everybody(role: Role, number: int) -> None:
    for hidden in (ADDRESS, [ADDRESS], {"a": [{"b": ADDRESS}]}):
        assert client(role).post(JOIN, json=event(number, [hidden])).status_code == 400


def test_uploaded_file_passes_only_where_and_for_whom_it_may() -> None:
    assert client(Role.REVIEWER).post(JOIN, json=event(1, [UPLOADED])).status_code == 200
    assert client(Role.GUEST).post(JOIN, json=event(1, [UPLOADED])).status_code == 400
    assert client(Role.OWNER).post(JOIN, json=event(0, [UPLOADED])).status_code == 400


@pytest.mark.parametrize("number", [99, -1, "0", None, True, 1.5, [0]])
def test_unknown_event_is_named(number: Any) -> None:
    answered = client(Role.OWNER).post(JOIN, json=event(number, []))
    assert answered.status_code == 400 and "no event" in answered.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b'{"data": []}', b"[" * 100_000])
def test_broken_body_is_refused_in_words(body: bytes) -> None:
    answered = client(Role.OWNER).post(JOIN, content=body)
    assert answered.status_code == 400 and answered.text.startswith(("The event", "There is no"))


def test_deep_nesting_hides_nothing() -> None:
    hidden: Any = ADDRESS
    for _ in range(200):
        hidden = [hidden]
    assert client(Role.OWNER).post(JOIN, content=json.dumps(event(1, [hidden]))).status_code == 400


@pytest.mark.parametrize("data", [None, [], {"a": 1}, "text", 3])
def test_an_event_with_too_few_inputs_is_refused(data: Any) -> None:
    response = client(Role.GUEST).post(JOIN, json=event(0, data))
    assert response.status_code == 400 and "not whole" in response.text


@pytest.mark.parametrize("pointed", [None, {}, {"index": 1}, [1, 2], "x"])
def test_an_event_that_points_at_nothing_is_refused(pointed: Any) -> None:
    rating = event(2, [])
    assert client(Role.GUEST).post(JOIN, json={**rating, "event_data": pointed}).status_code == 400
    assert client(Role.GUEST).post(JOIN, json={**rating, "event_data": {"index": 1, "value": "x"}}).status_code == 200
