"""Inviting a reviewer: the link works once and for a week, a preview does not use it up, and it can be taken back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flywheel import invitations
from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.identity import COOKIE, Identity
from flywheel.invitations import Invitations
from flywheel.roles import Principal, Role
from flywheel.settings import read
from storage.database import Database
from storage.home import Home
from storage.invitations import InvitationStore
from tests.support.app import App

OWNER, REVIEWER = Principal("local:owner", Role.OWNER), Principal("local:reviewer:ann", Role.REVIEWER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    home = Home.open(tmp_path)
    database = Database.open(home.database, home.ledger_tail)
    yield database
    database.close()


def state_of(made: Invitations) -> str:
    return made.listing(OWNER)[0].state


def test_a_link_works_once(database: Database) -> None:
    made = Invitations(InvitationStore(database))
    token = made.invite(OWNER, "ann")
    assert made.invited(token).name == "ann" and state_of(made) == "waiting"
    assert made.accept(token) == REVIEWER and state_of(made) == "accepted"
    for call in (made.accept, made.invited, Invitations(InvitationStore(database)).accept):
        with pytest.raises(Forbidden, match="used"):
            call(token)


def test_a_link_ends_after_a_week(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=7, seconds=1)

    made = Invitations(InvitationStore(database))
    token = made.invite(OWNER, "ann")
    monkeypatch.setattr(invitations, "datetime", Later)
    assert state_of(made) == "expired"
    with pytest.raises(Forbidden, match="too old"):
        made.accept(token)


def test_the_token_is_nowhere_in_the_home(database: Database, tmp_path: Path) -> None:
    token = Invitations(InvitationStore(database)).invite(OWNER, "ann")
    database.checkpoint()
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_revoking_ends_links_and_sessions_until_the_next_invitation(database: Database) -> None:
    made = Invitations(InvitationStore(database))
    settings = read({"FLYWHEEL_HOME": "/nowhere"})

    def session(who: Principal) -> dict[str, str]:
        return {COOKIE: door.cookie(who).split(";")[0].partition("=")[2]}

    door = Identity(b"s" * 32, "owner", settings, made.ended)
    ann, unopened = session(made.accept(made.invite(OWNER, "ann"))), made.invite(OWNER, "ann")
    bob = session(made.accept(made.invite(OWNER, "bob")))
    assert door.of(ann) == REVIEWER
    assert made.revoke(OWNER, "ann") == "ann"
    after_restart = Identity(b"s" * 32, "owner", settings, Invitations(InvitationStore(database)).ended)
    for one in (door, after_restart):
        assert one.of(ann).role is Role.ANONYMOUS and one.of(bob).role is Role.REVIEWER
    with pytest.raises(Forbidden, match="taken back"):
        made.accept(unopened)
    assert {one.name: one.state for one in made.listing(OWNER)} == {"ann": "revoked", "bob": "accepted"}
    assert door.of(session(made.accept(made.invite(OWNER, "ann")))) == REVIEWER
    assert door.of(ann).role is Role.ANONYMOUS


def test_only_the_owner_invites_and_names_are_checked(database: Database) -> None:
    made = Invitations(InvitationStore(database))
    for call in (
        lambda: made.invite(REVIEWER, "bob"),
        lambda: made.revoke(REVIEWER, "bob"),
        lambda: made.listing(REVIEWER),
    ):
        with pytest.raises(Forbidden, match="owner"):
            call()
    for name in ("", "a b", "<b>", "x" * 41):
        with pytest.raises(InvalidInput, match="name of a reviewer"):
            made.invite(OWNER, name)
    with pytest.raises(NotFound, match="`eve`"):
        made.revoke(OWNER, "eve")


def test_a_preview_of_the_link_does_not_use_it_up(app: App) -> None:
    link = app.services.login_links(OWNER, "reviewer", "link-tester")[0]
    token = link.partition("token=")[2]
    for _ in range(2):
        shown = httpx.get(link)
        assert shown.status_code == 200 and "as link-tester" in shown.text and "set-cookie" not in shown.headers
    with httpx.Client(base_url=app.url) as browser:
        entered = browser.post("/enter", data={"token": token})
        assert entered.status_code == 303 and entered.headers["location"] == "/"
        assert app.services.identity.of(browser.cookies).id == "local:reviewer:link-tester"
    assert httpx.post(f"{app.url}/enter", data={"token": token}).status_code == 401
    assert httpx.get(link).status_code == 401


@pytest.mark.parametrize("body", [b"", b"token", b"token=invite-\xff", b"&" * 5000, b"token=" + b"x" * 5000])
def test_a_strange_form_signs_nobody_in(app: App, body: bytes) -> None:
    answer = httpx.post(f"{app.url}/enter", content=body)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
