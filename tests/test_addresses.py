"""The addresses people are given can be opened, whatever the app listens on."""

import pytest

from flywheel.addresses import for_people, is_loopback, local, sender
from flywheel.settings import Settings, read


def settings(**changes: str) -> Settings:
    return read({"FLYWHEEL_HOME": "/nowhere", **changes})


def test_on_loopback_there_is_one_address() -> None:
    assert for_people(settings()) == ["http://127.0.0.1:7860"]
    assert for_people(settings(GRADIO_SERVER_NAME="[::1]")) == ["http://[::1]:7860"]


@pytest.mark.parametrize("name", ["0.0.0.0", "::", "[::]"])
def test_listening_everywhere_gives_addresses_that_can_be_opened(name: str) -> None:
    first, *others = for_people(settings(GRADIO_SERVER_NAME=name, GRADIO_SERVER_PORT="8000"))
    assert first == local(settings(GRADIO_SERVER_NAME=name, GRADIO_SERVER_PORT="8000")) == "http://127.0.0.1:8000"
    assert len(others) <= 1
    assert all(other.endswith(":8000") and "0.0.0.0" not in other and "127." not in other for other in others)


def test_on_a_space_its_own_address_is_given() -> None:
    on_space = {"GRADIO_SERVER_NAME": "0.0.0.0", "SYSTEM": "spaces", "SPACE_ID": "me/flywheel"}
    on_space["SPACE_HOST"] = "me-flywheel.hf.space"
    assert for_people(settings(**on_space)) == ["https://me-flywheel.hf.space"]
    assert local(settings(**on_space)) == "http://127.0.0.1:7860"


def test_address_set_by_a_person_wins() -> None:
    given = settings(FLYWHEEL_URL="https://fly.example/chat/", SPACE_HOST="me-flywheel.hf.space")
    assert for_people(given) == ["https://fly.example/chat"]


@pytest.mark.parametrize(("name", "answer"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("x", False)])
def test_loopback_is_told_apart(name: str, answer: bool) -> None:
    assert is_loopback(name) is answer


@pytest.mark.parametrize(
    ("peer", "passed_on", "on_space", "found"),
    [
        ("192.168.1.7", "", False, "192.168.1.7"),
        ("192.168.1.7", "8.8.8.8", False, "192.168.1.7"),
        ("127.0.0.1", "8.8.8.8", False, ""),
        ("::ffff:192.168.1.7", "", False, "192.168.1.7"),
        ("fe80::1%eth0", "", False, "fe80::/64"),
        ("2a00:1450:4001:81b::200e", "", False, "2a00:1450:4001:81b::/64"),
        ("10.16.3.80", "8.8.8.8", True, "8.8.8.8"),
        ("10.16.3.80", "1.1.1.1, 8.8.8.8, 10.16.3.1", True, "8.8.8.8"),
        ("10.16.3.80", "nonsense, 8.8.8.8", True, "8.8.8.8"),
        ("10.16.3.80", "", True, ""),
        ("testclient", "", False, ""),
    ],
)
def test_a_sender_is_known_by_what_cannot_be_made_up(peer: str, passed_on: str, on_space: bool, found: str) -> None:
    assert sender(peer, passed_on, on_space=on_space) == found
