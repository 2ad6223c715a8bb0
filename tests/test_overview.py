"""What the owner reads of settings, use and reach: whole, true, without a secret, and nobody else."""

from pathlib import Path
from uuid import uuid4

import pytest

from flywheel.errors import Forbidden
from flywheel.overview import Overview
from flywheel.roles import Principal, Role
from flywheel.settings import read, variables
from tests.support.app import App
from tests.support.events import Caller

OWNER, REVIEWER = Principal("local:owner", Role.OWNER), Principal("local:reviewer:ann", Role.REVIEWER)
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "me/wheel", "SPACE_HOST": "me-wheel.hf.space", "OAUTH_CLIENT_SECRET": "hush"}


def effective(**given: str) -> dict[str, tuple[str, str]]:
    found = Overview(read({"FLYWHEEL_HOME": "/nowhere", **given})).effective(OWNER)
    assert [one.variable for one in found] == [f.metadata["variable"] for f in variables()]
    return {one.variable: (one.value, one.source) for one in found}


def test_values_and_where_they_come_from() -> None:
    found = effective(
        FLYWHEEL_GUEST_CHAT="off", FLYWHEEL_TOP_P="1", FLYWHEEL_REVIEWERS="ann, bob", HF_TOKEN="hf_hidden"
    )
    assert found["FLYWHEEL_GUEST_CHAT"] == ("off", "environment")
    assert found["FLYWHEEL_TOP_P"] == ("1", "environment") and found["FLYWHEEL_TEMPERATURE"] == ("0", "default")
    assert found["FLYWHEEL_REVIEWERS"] == ("ann, bob", "environment") and found["FLYWHEEL_MAX_TOKENS"] == (
        "",
        "default",
    )
    assert found["FLYWHEEL_GUEST_LIMIT"] == ("30/minute, 1000/day", "default")
    assert found["HF_TOKEN"] == ("set", "environment") and found["OPENAI_API_KEY"] == ("not set", "default")


def test_on_a_space() -> None:
    found = effective(**SPACE, FLYWHEEL_TASK="sql")
    assert found["GRADIO_SERVER_NAME"] == ("0.0.0.0", "Space") and found["FLYWHEEL_OWNERS"] == ("me", "Space")
    assert found["FLYWHEEL_TASK"] == ("sql", "Space") and found["FLYWHEEL_ENGINE"] == ("local", "default")
    assert found["OAUTH_CLIENT_SECRET"] == ("set", "Space")


def test_nobody_but_the_owner(app: App) -> None:
    overview = app.services.overview
    for call in (overview.effective, overview.reach, app.services.usage.counts):
        with pytest.raises(Forbidden, match="owner"):
            call(REVIEWER)


def test_how_a_phone_gets_in_is_said_with_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flywheel.addresses.of_network", lambda: "192.168.1.5")
    closed = Overview(read({"FLYWHEEL_HOME": "/nowhere"})).reach(OWNER)
    assert not closed.is_open and "open http://192.168.1.5:7860 on the phone" in " ".join(closed.words)
    opened = Overview(read({"FLYWHEEL_HOME": "/nowhere", "GRADIO_SERVER_NAME": "0.0.0.0"})).reach(OWNER)
    assert opened.is_open and opened.addresses[-1] == "http://192.168.1.5:7860"
    assert "Nothing is encrypted" in " ".join(opened.words) and "may chat as a guest" in " ".join(opened.words)
    shut = read({"FLYWHEEL_HOME": "/nowhere", "GRADIO_SERVER_NAME": "0.0.0.0", "FLYWHEEL_GUEST_CHAT": "off"})
    assert "Guests may not chat" in " ".join(Overview(shut).reach(OWNER).words)


def test_use_is_counted_and_forgotten(app: App) -> None:
    services, guest = app.services, Principal(f"guest:{uuid4().hex}", Role.GUEST)
    issued = services.keys.create(OWNER, "guest", "robot")

    def of(person: str) -> list[tuple[str, int, int]]:
        return [
            (one.name, one.today, one.answers) for one in services.usage.counts(OWNER, 10_000) if one.person == person
        ]

    for _ in range(2):
        *_, last = services.chat.reply(guest, None, "how many customers")
    *_, told = services.chat.complete(Principal(f"key:{issued.id}", Role.GUEST), (), "how many customers")
    assert of(guest.id) == [("", 2, 2)] and of(f"key:{issued.id}") == [("robot", 1, 1)]
    use = next(one for one in services.usage.counts(OWNER, 10_000) if one.person == f"key:{issued.id}")
    assert told.turn and (use.prompt_tokens, use.completion_tokens) == (
        told.turn.details["prompt_tokens"], told.turn.details["completion_tokens"],
    )  # fmt: skip
    services.privacy.forget(OWNER, guest.id)
    assert last.turn and of(guest.id) == []


def test_page_shows_it_to_the_owner_alone(app: App, tmp_path: Path) -> None:
    opened = Caller(app, OWNER).send("settings_open", [])
    assert opened.ok and "FLYWHEEL_HOME" in str(opened.data) and app.services.home.owner_token() not in str(opened.data)
    invited = Caller(app, OWNER).send("settings_invite", ["page-tester"])
    assert invited.ok and "/enter?token=invite-" in str(invited.data)
    refused = Caller(app, OWNER).send("settings_invite", ["page tester"])
    assert not refused.ok and "name of a reviewer" in refused.error
    assert not Caller(app, REVIEWER).send("settings_invite", ["eve"]).ok
    assert Caller(app, REVIEWER).send("settings_open", []).data != opened.data
