"""Cookies and sign-in links: what makes somebody a guest, a reviewer or the owner, and what does not."""

import base64
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.errors import Forbidden, InvalidInput
from flywheel.identity import COOKIE, DAY, LINK_DAYS, Identity
from flywheel.roles import ANONYMOUS, Principal, Role
from flywheel.settings import Settings, read

SECRET = bytes(range(32))
TOKEN = "the-owners-own-token"
HERE = read({"FLYWHEEL_HOME": str(Path("/nowhere"))})
SPACE = replace(
    HERE,
    space_id="me/flywheel",
    space_system="spaces",
    oauth_client_secret="s",
    owners=("Ada",),
    reviewers=("bob",),
)


def make(settings: Settings = HERE, secret: bytes = SECRET, token: str = TOKEN) -> Identity:
    return Identity(secret, token, settings)


def value_of(set_cookie: str) -> str:
    return set_cookie.split(";")[0].partition("=")[2]


def jar(identity: Identity, who: Principal) -> dict[str, str]:
    return {COOKIE: value_of(identity.cookie(who))}


def hub(name: str, seconds: int = 60) -> dict[str, object]:
    return {"oauth_info": {"userinfo": {"preferred_username": name}, "expires_at": time.time() + seconds}}


def test_guest_cookie_survives_restart() -> None:
    guest = make().new_guest()
    assert make().of(jar(make(), guest)) == guest
    assert guest.role is Role.GUEST and len(guest.id) == len("guest:") + 32


def test_two_guests_differ() -> None:
    assert make().new_guest() != make().new_guest()


def test_nobody_without_cookie() -> None:
    assert make().of({}) is ANONYMOUS


def test_cookie_is_hidden_from_scripts_and_other_sites() -> None:
    here = make().cookie(make().new_guest())
    assert "HttpOnly" in here and "SameSite=Lax" in here
    space = make(SPACE).cookie(make().new_guest())
    assert "SameSite=None" in space and "Secure" in space


def test_forged_role_is_nobody() -> None:
    payload, _, mac = value_of(make().cookie(Principal("guest:" + "0" * 32, Role.GUEST))).partition(".")
    plain = base64.urlsafe_b64decode(payload + "==").decode()
    forged = base64.urlsafe_b64encode(plain.replace("1 ", "3 ", 1).encode()).decode().rstrip("=")
    assert make().of_cookie(f"{payload}.{mac}").role is Role.GUEST
    assert make().of_cookie(f"{forged}.{mac}") is ANONYMOUS


@given(st.text())
def test_any_text_as_cookie_is_nobody(text: str) -> None:
    assert make().of_cookie(text) is ANONYMOUS
    assert make().of_cookie(f"{text}.{text}") is ANONYMOUS


def test_other_secret_forgets_everybody() -> None:
    guest = jar(make(), make().new_guest())
    assert make(secret=b"x" * 32).of(guest) is ANONYMOUS


def test_new_owner_key_ends_owner_cookies_only() -> None:
    owner, guest = jar(make(), make().enter(TOKEN)), jar(make(), make().new_guest())
    assert make().of(owner).role is Role.OWNER
    assert make(token="another").of(owner) is ANONYMOUS
    assert make(token="another").of(guest).role is Role.GUEST


def test_old_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = jar(make(), make().enter(TOKEN))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 91 * DAY)
    assert make().of(cookie) is ANONYMOUS


def test_owner_link_makes_owner() -> None:
    assert make().enter(make().login_token(Role.OWNER)) == Principal("local:owner", Role.OWNER)


def test_reviewer_link_makes_reviewer() -> None:
    assert make().enter(make().login_token(Role.REVIEWER, "ada")) == Principal("local:reviewer:ada", Role.REVIEWER)


def test_reviewer_link_ends_after_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = make().login_token(Role.REVIEWER, "ada"), time.time()
    monkeypatch.setattr(time, "time", lambda: now + LINK_DAYS * DAY + 1)
    with pytest.raises(Forbidden, match="too old"):
        make().enter(token)


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), "é" * 20, "\udcff", "a.b", "." * 99]
)
def test_wrong_link_is_refused(token: str) -> None:
    with pytest.raises(Forbidden, match="login-link"):
        make().enter(token)


def test_link_is_no_cookie_and_cookie_no_link() -> None:
    link = make().login_token(Role.REVIEWER, "ada")
    assert make().of_cookie(link) is ANONYMOUS
    with pytest.raises(Forbidden):
        make().enter(value_of(make().cookie(Principal("local:reviewer:ada", Role.REVIEWER))))


@pytest.mark.parametrize("name", ["", "a b", "x" * 41, "../x", "é", ".hidden"])
def test_reviewer_name_is_checked(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        make().login_token(Role.REVIEWER, name)


def test_hub_names_get_their_roles() -> None:
    roles = {name: make(SPACE).of({}, hub(name)).role for name in ("ada", "Bob", "eve")}
    assert roles == {"ada": Role.OWNER, "Bob": Role.REVIEWER, "eve": Role.GUEST}
    assert make(SPACE).of({}, hub("eve")).id == "hf:eve"


def test_author_owns_a_space_where_nobody_is_named() -> None:
    unnamed = replace(SPACE, owners=())
    roles = {name: make(unnamed).of({}, hub(name)).role for name in ("me", "Me", "ada", "flywheel")}
    assert roles == {"me": Role.OWNER, "Me": Role.OWNER, "ada": Role.GUEST, "flywheel": Role.GUEST}
    assert make(SPACE).of({}, hub("me")).role is Role.GUEST


def test_hub_login_outranks_guest_cookie_but_not_owner() -> None:
    space = make(SPACE)
    assert space.of(jar(space, space.new_guest()), hub("eve")).id == "hf:eve"
    assert space.of(jar(space, space.enter(TOKEN)), hub("eve")).role is Role.OWNER


@pytest.mark.parametrize("missing", ["space_id", "space_system", "oauth_client_secret"])
def test_hub_session_counts_on_a_space_only(missing: str) -> None:
    settings = replace(SPACE, **{missing: ""})
    assert make(settings).of({}, hub("ada")) is ANONYMOUS


def test_outdated_hub_session_is_nobody() -> None:
    assert make(SPACE).of({}, hub("ada", seconds=-1)) is ANONYMOUS
