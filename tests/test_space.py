"""The app on a Hugging Face Space: who signs in is who, nobody else is, and none of it is there elsewhere."""

import hashlib
import json
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import itsdangerous
import pytest

from flywheel import census
from tests.support.app import App
from tests.support.openid import Provider
from tests.support.space import CLIENT, HOST, SECRET, Visitor, environment, running

SKIPPED = {"__type__": "update"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider(CLIENT, SECRET)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def space(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("space") / "home"
    with running(home, environment(provider.url, FLYWHEEL_REVIEWERS="Bob")) as running_space:
        yield running_space


def signed_in(space: tuple[str, Path], provider: Provider, user: str) -> Visitor:
    provider.user = user
    visitor = Visitor(space[0])
    assert visitor.sign_in().status_code == 200
    return visitor


def bar(visitor: Visitor) -> str:
    error, data = visitor.send("space_open", [])
    assert not error
    return str(data[0])


def may(visitor: Visitor, event: str) -> bool:
    _, data = visitor.send(event, [])
    return any(item not in (None, SKIPPED, SKIPPED | {"props": SKIPPED}) for item in data)


def forged(secret: str, user: str) -> str:
    """A session as the framework writes it, signed with another key."""
    info = {"expires_at": int(time.time()) + 600, "userinfo": {"preferred_username": user}}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    return itsdangerous.TimestampSigner(key).sign(b64encode(json.dumps({"oauth_info": info}).encode())).decode()


@pytest.mark.slow
def test_what_is_deployed_answers(space: tuple[str, Path]) -> None:
    ends = time.monotonic() + 60
    while (answer := httpx.get(f"{space[0]}/readyz")).status_code != 200 and time.monotonic() < ends:
        time.sleep(0.2)
    assert answer.status_code == 200, answer.text


@pytest.mark.slow
def test_author_owns_bob_reviews_carol_is_a_guest(space: tuple[str, Path], provider: Provider) -> None:
    alice, bob, carol = (signed_in(space, provider, user) for user in ("alice", "bob", "carol"))
    assert "Signed in as <b>alice</b> (owner)" in bar(alice) and "/logout" in bar(alice)
    assert "<b>bob</b> (reviewer)" in bar(bob) and "<b>carol</b> (guest)" in bar(carol)
    assert [may(who, "wheel_open") for who in (alice, bob, carol)] == [True, True, False]
    assert [may(who, "train_open") for who in (alice, bob, carol)] == [True, False, False]


@pytest.mark.slow
def test_sign_in_is_a_link_out_of_the_frame(space: tuple[str, Path]) -> None:
    visitor = Visitor(space[0])
    assert visitor.ask("GET", "/").status_code == 200
    shown = bar(visitor)
    assert re.search(r'<a href="/login/huggingface[^"]*" target="_blank"[^>]*>Sign in with Hugging Face</a>', shown)
    nobody = bar(Visitor(space[0]))
    assert f'href="https://{HOST}/" target="_blank"' in nobody


@pytest.mark.slow
def test_signing_out_makes_a_guest(space: tuple[str, Path], provider: Provider) -> None:
    alice = signed_in(space, provider, "alice")
    assert alice.ask("GET", "/logout?_target_url=/review").status_code == 200
    assert "Sign in with Hugging Face" in bar(alice) and not may(alice, "train_open")


@pytest.mark.slow
@pytest.mark.parametrize("secret", ["", "a guess", CLIENT])
def test_forged_session_is_a_guest(space: tuple[str, Path], secret: str) -> None:
    visitor = Visitor(space[0])
    visitor.ask("GET", "/")
    visitor.cookies["session"] = forged(secret, "alice")
    assert "alice" not in bar(visitor) and not may(visitor, "train_open")


@pytest.mark.slow
def test_session_counts_with_the_spaces_own_secret(space: tuple[str, Path]) -> None:
    """What the forged ones lack is the key, not the form."""
    visitor = Visitor(space[0])
    visitor.cookies["session"] = forged(SECRET, "alice")
    assert "<b>alice</b> (owner)" in bar(visitor)


@pytest.mark.slow
def test_wrong_state_signs_nobody_in(space: tuple[str, Path], provider: Provider) -> None:
    visitor = Visitor(space[0])
    visitor.ask("GET", "/")
    provider.user = "alice"
    place = provider.authorise(
        {"client_id": CLIENT, "scope": "openid", "redirect_uri": f"https://{HOST}/login/callback", "state": "x"}
    )
    assert place is not None
    visitor._once("GET", place)
    assert "alice" not in bar(visitor)


@pytest.mark.slow
def test_disk_note_is_for_those_who_work_here(space: tuple[str, Path], provider: Provider) -> None:
    assert "emptied at each restart" in bar(signed_in(space, provider, "alice"))
    assert "emptied at each restart" in bar(signed_in(space, provider, "bob"))
    assert "emptied" not in bar(signed_in(space, provider, "carol"))


@pytest.mark.slow
def test_nothing_undeclared_is_called(space: tuple[str, Path]) -> None:
    dependencies = Visitor(space[0]).ask("GET", "/config").json()["dependencies"]
    names = {re.sub(r"_\d+$", "", d["api_name"]) for d in dependencies if d["backend_fn"]}
    assert names == set(census.EVENTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "status"), [(f"https://{HOST}", 200), ("https://evil.example", 403), ("https://evil.hf.space", 403)]
)
def test_other_sites_are_refused_behind_the_proxy(space: tuple[str, Path], origin: str, status: int) -> None:
    visitor = Visitor(space[0])
    # The proxy may hand the request on under another host's name.
    for host in (HOST, "10.0.0.7:7860"):
        answer = visitor.ask("GET", "/", headers={"Origin": origin, "Host": host})
        assert answer.status_code == status, (host, answer.text)


@pytest.mark.slow
def test_log_of_a_space_holds_no_way_in(space: tuple[str, Path]) -> None:
    log = space[1].read_text()
    assert f"Flywheel: https://{HOST}" in log and "Owner: sign in with Hugging Face as alice" in log
    assert "token=" not in log and SECRET not in log and "hf_oauth_" not in log


def test_elsewhere_a_session_is_ignored_and_nothing_of_it_is_there(app: App) -> None:
    client = httpx.Client(base_url=app.url, cookies={"session": forged("", "alice")})
    assert client.get("/login/huggingface").status_code == 404
    page, config = client.get("/").text, client.get("/config").text
    assert "Sign in with Hugging Face" not in page + config and "space_open" not in config
    assert client.get("/gradio_api/upload_progress").status_code == 403
