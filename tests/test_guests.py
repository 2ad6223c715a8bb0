"""Whose rows the limits are for."""

from pathlib import Path

import pytest

from flywheel.guests import Guests
from flywheel.keys import Keys
from flywheel.roles import Principal, Role
from flywheel.settings import read
from storage.database import Database
from storage.home import Home
from storage.keys import KeyStore

OWNER = Principal("local:owner", Role.OWNER)


@pytest.mark.parametrize("space", [True, False])
def test_guests_are_told_from_people_with_a_name(tmp_path: Path, space: bool) -> None:
    home = Home.open(tmp_path / "home")
    database = Database.open(home.database, home.ledger_tail)
    keys = Keys(KeyStore(database), home.owner_token())
    theirs, ours = keys.create(OWNER, "guest"), keys.create(OWNER, "reviewer")
    keys.revoke(OWNER, ours.id)
    on_space = {"SYSTEM": "spaces", "SPACE_ID": "ann/wheel", "OAUTH_CLIENT_SECRET": "s"} if space else {}
    guests = Guests(read({"FLYWHEEL_HOME": str(home.path), "FLYWHEEL_REVIEWERS": "Bob", **on_space}), keys)
    for person in ("guest:12", "hf:carl", f"key:{theirs.id}", "key:k99", "anonymous"):
        assert guests.is_guest(person), person
    for person in ("local:owner", "local:reviewer:ann", "hf:bob", f"key:{ours.id}", "key:owner", "system"):
        assert not guests.is_guest(person), person
    assert guests.is_guest("hf:Ann") is not space
    database.close()
