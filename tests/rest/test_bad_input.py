"""What programs send wrong: each failure has its status, names the field, and speaks in OpenAI's error shape."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flywheel.roles import Principal, Role
from tests.rest.conftest import OWNER, Program
from tests.support.app import App

PATH = "/v1/chat/completions"
ASKED = [{"role": "user", "content": "how many customers"}]
IMAGE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}


def told(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error object of a failure with this status."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "flywheel", "messages": ASKED, **changes}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"tools": []}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"seed": -1}, "seed"),
        ({"stop": 5}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": ["x", ""]}, "stop[1]"),
        ({"stop": "x" * 10_000}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage"),
        ({"user": 7}, "user"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "name": "bob"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]}, "messages[0].content[1]"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}, *ASKED]}, "messages"),
        ({"messages": [*ASKED, {"role": "system", "content": "x"}, *ASKED]}, "messages[1].role"),
        ({"messages": ASKED * 401}, "messages"),
    ],
    ids=str,
)
def test_what_is_not_read_is_refused_by_name(guest: Program, changes: dict[str, Any], param: str) -> None:
    error = told(guest.http.post(PATH, json=body(**changes)), 400)
    assert error["param"] == param and f"`{param}" in error["message"] and len(error["message"]) < 300
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("text", ["", "  ", "x" * 8001, "null\0byte"])
def test_text_nobody_can_answer_is_refused(guest: Program, text: str) -> None:
    error = told(guest.http.post(PATH, json=body(messages=[{"role": "user", "content": text}])), 400)
    assert "message" in error["message"] and len(error["message"]) < 300


def test_half_a_character_is_refused(guest: Program) -> None:
    raw = json.dumps(body(messages=[{"role": "user", "content": "\ud800"}]))
    told(guest.http.post(PATH, content=raw), 400)
    for field in ("user", "stop"):
        error = told(guest.http.post(PATH, content=json.dumps(body(**{field: "\ud800"}))), 400)
        assert error["param"].startswith(field)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b'{"model": 1e999999}'])
def test_broken_json_is_400(guest: Program, raw: bytes) -> None:
    for path in (PATH, "/v1/feedback"):
        assert told(guest.http.post(path, content=raw), 400)["type"] == "invalid_request_error"


def test_large_body_is_413(guest: Program) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10_000

    for content in (b"x" * 10_000_000, endless()):
        assert told(guest.http.post(PATH, content=content), 413)["code"] == "request_too_large"


def test_refused_requests_leave_nothing(app: App, guest: Program) -> None:
    guest.http.post(PATH, json=body(model="flywheel"))  # the key's first use of the day is kept
    head = app.services.database.head
    for changes in ({"n": 2}, {"model": "v99"}, {"messages": [{"role": "user", "content": "x" * 8001}]}):
        guest.http.post(PATH, json=body(**changes))
    assert app.services.database.head == head


@pytest.mark.parametrize("path", [PATH, "/v1/feedback", "/v1/models", "/v1/models/v0"])
def test_no_key_or_a_wrong_one_is_401(app: App, guest: Program, path: str) -> None:
    method = "GET" if "models" in path else "POST"
    revoked = app.services.keys.create(OWNER, "owner")
    app.services.keys.revoke(OWNER, revoked.id)
    wrong = ["", "Bearer", "Bearer x", f"Bearer {revoked.key}", f"Bearer {guest.key}x", f"Basic {guest.key}", guest.key]
    for header in wrong:
        error = told(httpx.request(method, app.url + path, json=body(), headers={"Authorization": header}), 401)
        assert error["code"] == "invalid_api_key" and "keys create" in error["message"]
    elsewhere = {"x-api-key": guest.key, "api-key": guest.key}
    told(httpx.request(method, f"{app.url}{path}?key={guest.key}", headers=elsewhere), 401)


def test_revoking_ends_a_key_at_once(app: App, guest: Program) -> None:
    assert guest.http.get("/v1/models").status_code == 200
    app.services.keys.revoke(OWNER, guest.id)
    told(guest.http.get("/v1/models"), 401)


@pytest.mark.parametrize("role", [Role.GUEST, Role.REVIEWER, Role.OWNER])
def test_cookie_opens_nothing(app: App, role: Role) -> None:
    cookie = app.services.identity.cookie(Principal("local:owner", role)).split(";")[0]
    for path in (PATH, "/v1/feedback"):
        error = told(httpx.post(app.url + path, json=body(), headers={"Cookie": cookie}), 401)
        assert error["code"] == "invalid_api_key"


def test_page_of_another_site_is_refused(guest: Program) -> None:
    error = told(guest.http.post(PATH, json=body(), headers={"Origin": "https://evil.example"}), 403)
    assert error["code"] == "forbidden"


def test_unknown_address_and_method_are_told(guest: Program) -> None:
    for path in (
        "/v1/completions",
        "/v1/embeddings",
        "/v1/chat/completions/",
        "/v1/models/",
        "/v1/models/a%2Fb",
        "/v1/",
        "/v1",
        "/v1/../v1/x",
    ):
        told(guest.http.get(path), 404)
    for method, path, allowed in (
        ("GET", PATH, "POST"),
        ("DELETE", "/v1/models/v0", "GET"),
        ("PUT", "/v1/feedback", "POST"),
    ):
        response = guest.http.request(method, path)
        told(response, 405)
        assert response.headers["allow"] == allowed


def test_errors_never_tell_the_key(guest: Program, program: Callable[..., Program]) -> None:
    answers = [
        guest.http.post(PATH, json=body(n=2)),
        guest.http.get("/v1/nowhere"),
        guest.http.post(PATH, content=b"{"),
    ]
    assert all(guest.key not in answer.text for answer in answers)
