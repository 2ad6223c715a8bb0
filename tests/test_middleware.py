"""The layers before the pages, over a plain application: other sites, large bodies, roles, headers, first visits."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp
from starlette.websockets import WebSocketDisconnect

from flywheel.addresses import accepted_hosts
from flywheel.identity import Identity
from flywheel.roles import Principal, Role
from flywheel.settings import read
from flywheel.web import BODY_LIMIT, UPLOAD, UPLOAD_LIMIT, RoleGate, outside

IDENTITY = Identity(b"s" * 32, "token", read({"FLYWHEEL_HOME": str(Path("/nowhere"))}))
SITE = "http://flywheel.example"
JOIN = "/gradio_api/queue/join"


async def echo(request: Request) -> Response:
    size = len(await request.body())
    return PlainTextResponse(str(size), headers={"Access-Control-Allow-Origin": "*"})


def application(hosts: frozenset[str] | None = None) -> ASGIApp:
    paths = ("/", JOIN, UPLOAD, "/gradio_api/token", "/undeclared")
    inner = Starlette(routes=[Route(path, echo, methods=["GET", "POST"]) for path in paths])
    gate = RoleGate(inner, lambda connection: IDENTITY.of(connection.cookies))
    return outside(gate, lambda connection: IDENTITY.first_cookie(connection.cookies), accepted=hosts)


def ask(method: str, path: str, who: Principal | None = None, **kwargs: object) -> httpx.Response:
    cookies = {"Cookie": IDENTITY.cookie(who).split(";")[0]} if who else {}
    headers = cookies | dict(kwargs.pop("headers", {}))  # type: ignore[call-overload]

    client = TestClient(application(), base_url=SITE)
    return client.request(method, path, headers=headers, **kwargs)  # type: ignore[arg-type]


GUEST, REVIEWER = Principal("guest:1", Role.GUEST), Principal("local:reviewer:ada", Role.REVIEWER)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://flywheel.example.evil.example"},
        {"Origin": "http://evil.example/flywheel.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
    ],
)
def test_other_sites_are_refused(headers: dict[str, str]) -> None:
    response = ask("POST", JOIN, GUEST, headers=headers)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_preflight_of_other_site_is_refused() -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = ask("OPTIONS", JOIN, headers=headers)
    assert response.status_code == 403 and "access-control-allow-origin" not in response.headers


def test_other_site_cannot_read() -> None:
    assert ask("GET", "/", GUEST, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": SITE},
        {"Origin": "https://me-x.hf.space", "X-Forwarded-Host": "me-x.hf.space"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_own_page_and_programs_pass(headers: dict[str, str]) -> None:
    assert ask("POST", JOIN, GUEST, headers=headers).status_code == 200


def test_link_from_other_site_opens() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask("GET", "/", headers=headers).status_code == 200


def hosted(host: str, **changes: str) -> httpx.Response:
    """The page, asked for under a name, of an app with these settings."""
    settings = read({"FLYWHEEL_HOME": "/nowhere", **changes})
    client = TestClient(application(accepted_hosts(settings)), base_url="http://127.0.0.1:7860")
    return client.get("/", headers={"Host": host})


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost:8080", "LOCALHOST", "[::1]:7860"])
def test_app_on_loopback_answers_under_its_own_names(host: str) -> None:
    assert hosted(host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "", "a@b"]
)
def test_app_on_loopback_answers_under_no_other_name(host: str) -> None:
    response = hosted(host)
    assert response.status_code == 421 and "FLYWHEEL_URL" in response.text and "set-cookie" not in response.headers


def test_app_behind_a_proxy_answers_under_the_name_set() -> None:
    assert hosted("fly.example", FLYWHEEL_URL="https://fly.example/").status_code == 200
    assert hosted("other.example", FLYWHEEL_URL="https://fly.example/").status_code == 421


@pytest.mark.parametrize("name", ["0.0.0.0", "::", "192.168.1.5"])
def test_app_on_a_network_answers_under_any_name(name: str) -> None:
    assert hosted("flywheel.example", GRADIO_SERVER_NAME=name).status_code == 200


def test_no_cors_header_even_from_the_framework() -> None:
    assert "access-control-allow-origin" not in ask("GET", "/").headers


def test_every_answer_is_bounded() -> None:
    for response in (ask("GET", "/"), ask("GET", "/nowhere"), ask("POST", JOIN, headers={"Origin": "null"})):
        policy = response.headers["content-security-policy"]
        assert "frame-ancestors 'self' https://huggingface.co" in policy and "img-src 'self' data: blob:;" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "same-origin"


def test_body_up_to_limit_passes() -> None:
    assert ask("POST", JOIN, content=b"x" * BODY_LIMIT).text == str(BODY_LIMIT)


def test_large_body_is_413() -> None:
    response = ask("POST", JOIN, content=b"x" * (BODY_LIMIT + 1))
    assert response.status_code == 413 and "1 MB" in response.text


def test_large_body_without_length_is_413() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10_000

    assert ask("POST", JOIN, content=endless()).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 5000, "x"])
def test_strange_length_is_413(length: str) -> None:
    assert ask("POST", JOIN, headers={"Content-Length": length}).status_code == 413


def test_upload_is_for_reviewers_with_its_own_limit() -> None:
    body = b"x" * (BODY_LIMIT + 1)
    assert ask("POST", UPLOAD, content=body).status_code == 403
    assert ask("POST", UPLOAD, GUEST, content=body).status_code == 403
    assert ask("POST", UPLOAD, REVIEWER, content=body).status_code == 200
    assert ask("POST", UPLOAD, REVIEWER, headers={"Content-Length": str(UPLOAD_LIMIT + 1)}).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/token", "/undeclared", "/gradio_api/proxy=x", "/GRADIO_API/UPLOAD", "/review/../x", "/" + "a" * 5000],
)
def test_undeclared_is_not_there(path: str) -> None:
    assert ask("GET", path, REVIEWER).status_code == 404


def test_first_page_load_makes_a_guest() -> None:
    cookie = ask("GET", "/").headers["set-cookie"]
    assert IDENTITY.of_cookie(cookie.split(";")[0].partition("=")[2]).role is Role.GUEST


def test_genuine_cookie_is_kept_and_forged_replaced() -> None:
    assert "set-cookie" not in ask("GET", "/", GUEST).headers
    assert "set-cookie" in ask("GET", "/", headers={"Cookie": "flywheel=forged.cookie"}).headers


def test_only_a_page_gives_a_cookie() -> None:
    assert "set-cookie" not in ask("POST", JOIN).headers
    assert "set-cookie" not in ask("GET", "/undeclared").headers


def test_websocket_is_closed() -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(application(), base_url=SITE).websocket_connect("/"):
        pass
