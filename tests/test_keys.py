"""Keys for programs: told once, kept as a hash, ended at once, and the same after a restart."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.cli import main
from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.keys import Keys
from flywheel.roles import Principal, Role
from storage.database import Database
from storage.home import Home
from storage.keys import KeyStore
from storage.ledger import verify
from tests.support.app import free_port, serving, settings_for

OWNER, REVIEWER = Principal("local:owner", Role.OWNER), Principal("local:reviewer:ann", Role.REVIEWER)
TOKEN = "o" * 43


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    database = Database.open(home.database, home.ledger_tail)
    yield database
    database.close()


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(KeyStore(database), TOKEN)


def test_key_opens_with_its_role(keys: Keys) -> None:
    for role, level in (("guest", Role.GUEST), ("reviewer", Role.REVIEWER), ("owner", Role.OWNER)):
        issued = keys.create(OWNER, role)
        assert keys.holder(issued.key) == Principal(f"key:{issued.id}", level)


def test_wrong_keys_open_nothing(keys: Keys) -> None:
    issued = keys.create(OWNER, "owner")
    wrong = ("", "fw-", issued.key[:-1], issued.key + "x", issued.key.upper(), issued.id, "\ud800", TOKEN[:-1])
    assert [keys.holder(key) for key in wrong] == [None] * len(wrong)


def test_home_key_is_an_owner_of_its_own(keys: Keys) -> None:
    assert keys.holder(TOKEN) == Principal("key:owner", Role.OWNER)


def test_revoked_key_opens_nothing_at_once(keys: Keys) -> None:
    first, second = keys.create(OWNER, "guest"), keys.create(OWNER, "guest")
    keys.revoke(OWNER, first.id)
    assert keys.holder(first.key) is None
    assert keys.holder(second.key) is not None
    assert keys.revoke(OWNER, first.id).revoked is not None
    with pytest.raises(NotFound, match="no key `k9`"):
        keys.revoke(OWNER, "k9")


def test_keys_outlive_the_process(home: Home) -> None:
    database = Database.open(home.database, home.ledger_tail)
    before = Keys(KeyStore(database), TOKEN)
    kept, ended = before.create(OWNER, "reviewer", "notebook"), before.create(OWNER, "guest")
    before.revoke(OWNER, ended.id)
    before.used(kept.key)
    database.close()
    database = Database.open(home.database, home.ledger_tail)
    after = Keys(KeyStore(database), TOKEN)
    assert after.holder(kept.key) == Principal("key:k1", Role.REVIEWER)
    assert after.holder(ended.key) is None
    listed = after.listing(OWNER)
    assert [(key.id, key.name, key.last_used is not None, key.revoked is not None) for key in listed] == [
        ("k1", "notebook", True, False),
        ("k2", "", False, True),
    ]
    assert after.create(OWNER, "guest").id == "k3"
    assert verify(database).ok
    database.close()


def test_key_lies_nowhere_in_the_home(home: Home) -> None:
    database = Database.open(home.database, home.ledger_tail)
    keys = Keys(KeyStore(database), TOKEN)
    issued = keys.create(OWNER, "owner", "grep")
    keys.used(issued.key)
    database.checkpoint()
    secret = issued.key.removeprefix("fw-").encode()
    files = [path for path in home.path.rglob("*") if path.is_file() and path != home.database]
    database.backup(home.path / "copy.duckdb")
    database.close()
    found = [path for path in (*files, home.database, home.path / "copy.duckdb") if secret in path.read_bytes()]
    assert found == []
    assert issued.key not in repr(issued)


def test_use_is_kept_once_a_day(keys: Keys, database: Database) -> None:
    issued = keys.create(OWNER, "guest")
    for _ in range(3):
        keys.used(issued.key)
    assert database.value("SELECT count(*) FROM key_events") == 1


def test_only_the_owner_handles_keys(keys: Keys) -> None:
    for action in (lambda: keys.create(REVIEWER, "guest"), lambda: keys.listing(REVIEWER)):
        with pytest.raises(Forbidden):
            action()
    with pytest.raises(Forbidden):
        keys.revoke(REVIEWER, "k1")


@pytest.mark.parametrize(("role", "name"), [("anonymous", ""), ("", ""), ("guest", "x" * 41), ("guest", "a\nb")])
def test_wrong_role_or_name_is_refused(keys: Keys, role: str, name: str) -> None:
    with pytest.raises(InvalidInput):
        keys.create(OWNER, role, name)


def test_commands_alone_and_through_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))

    def run(*argv: str) -> str:
        assert main(list(argv)) == 0
        return capsys.readouterr().out

    first = json.loads(run("keys", "create", "--role", "guest", "--name", "notebook", "--json"))
    assert set(first) == {"id", "key", "role"} and first["role"] == "guest" and first["key"].startswith("fw-")
    with serving(settings_for(tmp_path / "home")) as app:
        second = run("keys", "create", "--role", "owner").split()[0]
        assert app.services.keys.holder(second) == Principal("key:k2", Role.OWNER)
        assert app.services.keys.holder(first["key"]) is not None
        assert "revoked 20" in run("keys", "revoke", "k1")
        assert app.services.keys.holder(first["key"]) is None
        assert main(["keys", "revoke", "k7"]) == 1
        assert "no key `k7`" in capsys.readouterr().err
    listed = [json.loads(line) for line in run("keys", "list", "--json").splitlines()]
    assert [(key["id"], key["role"], key["name"], bool(key["revoked"])) for key in listed] == [
        ("k1", "guest", "notebook", True),
        ("k2", "owner", "", False),
    ]
    assert all("key" not in key and "digest" not in key for key in listed)
