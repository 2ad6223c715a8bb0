"""One Flywheel whose model is another Flywheel's `/v1`: what the two store is the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from storage.conversations import ConversationStore, Turn
from tests.conftest import ANSWERS, SYSTEM
from tests.rest.conftest import Program
from tests.support.app import App, settings_for

ANN = Principal("guest:" + "a" * 32, Role.GUEST)


@pytest.fixture
def beside(app: App, tmp_path: Path) -> Iterator[Callable[[Program], Services]]:
    """Makes a Flywheel that asks the app with a program's key."""
    made: list[Services] = []

    def make(program: Program, model: str = "flywheel") -> Services:
        settings = settings_for(
            tmp_path / "home",
            engine="openai",
            base_model=model,
            system_prompt=SYSTEM,
            openai_base_url=f"{app.url}/v1",
            openai_api_key=program.key,
        )
        made.append(build_services(settings))
        return made[-1]

    yield make
    for services in made:
        services.close()


def ask(services: Services, text: str, conversation: str | None = None) -> Update:
    return list(services.chat.reply(ANN, conversation, text))[-1]


def theirs(app: App, program: Program) -> list[Turn]:
    """What the app stored of the program's latest conversation."""
    conversations = ConversationStore(app.services.database)
    latest = conversations.latest_of(program.owner)
    assert latest is not None
    return conversations.turns(latest.id)


def test_both_store_the_same(app: App, program: Callable[..., Program], beside: Callable[[Program], Services]) -> None:
    owner = program("owner")
    ours = beside(owner)
    ours.wait_until_ready()
    first = ask(ours, "how many customers")
    last = ask(ours, "who are you", first.conversation_id)
    own = ConversationStore(ours.database).turns(first.conversation_id)
    others = theirs(app, owner)
    told = [(turn.role, turn.content, turn.state, turn.version, turn.details.get("sql")) for turn in own]
    assert told == [(turn.role, turn.content, turn.state, turn.version, turn.details.get("sql")) for turn in others]
    assert [turn.content for turn in own[::2]] == ["how many customers", "who are you"]
    assert own[1].content == ANSWERS["how many customers"] and first.outcome is not None and first.outcome.rows
    for counted in ("prompt_tokens", "completion_tokens", "finish_reason"):
        assert last.turn.details[counted] == others[-1].details[counted], counted


def test_refusals_of_the_other_are_passed_on(guest: Program, beside: Callable[..., Services]) -> None:
    ours = beside(guest)
    ours.wait_until_ready()
    last = ask(ours, "how many customers")
    assert last.turn.state == "failed"
    assert "(403: A `system` message needs a key with the role `owner`." in str(last.notice)
    assert guest.key not in str(last.turn)


def test_unknown_model_of_the_other_is_named(guest: Program, beside: Callable[..., Services]) -> None:
    ready, words = beside(guest, model="v99").engine.wait_ready(30)
    assert not ready and "has no model `v99` (it has `flywheel`, `v0`" in words
