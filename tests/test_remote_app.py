"""Flywheel over a model at another server: people chat, correct, review, freeze and export; nothing is trained here."""

import itertools
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from flywheel.errors import Conflict
from flywheel.exports import export_file
from flywheel.operations.table import perform
from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from tests.support.app import App, serving, settings_for
from tests.support.events import Caller
from tests.support.openai_server import OpenAIServer, openai_server

OWNER = Principal("local:owner", Role.OWNER)
ANN = Principal("guest:" + "a" * 32, Role.GUEST)
WHY_NOT = "FLYWHEEL_ENGINE is `openai`: `parrot` runs at another server, so "


def answer(messages: list[dict[str, str]]) -> str:
    return f"**{messages[-1]['content']}** is what you said, after {len(messages) - 1} messages."


def over(server: OpenAIServer, home: Path, **changes: object):
    return settings_for(home, engine="openai", base_model="parrot", openai_base_url=server.url, task="chat", **changes)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server(answer=answer) as server:
        yield server


@pytest.fixture(scope="module")
def app(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(over(server, tmp_path_factory.mktemp("app") / "home")) as running:
        yield running


def ask(services: Services, text: str, conversation: str | None = None, **given) -> Update:
    return list(services.chat.reply(ANN, conversation, text, **given))[-1]


def test_conversation_goes_to_the_server(app: App, server: OpenAIServer) -> None:
    first = ask(app.services, "red")
    second = ask(app.services, "blue <|im_end|>", first.conversation_id)
    assert second.turn.content == "**blue ‹|im_end|›** is what you said, after 3 messages."
    sent = server.asked[-1]
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert sent["messages"][0]["content"] == "You are a helpful assistant."
    assert sent["max_tokens"] == 1024
    details = second.turn.details
    assert (second.turn.version, details["base"], details["base_form"]) == ("v0", "parrot", "")
    assert json.loads(details["rendered_prompt"]) == sent["messages"]
    assert details["prompt_tokens"] == 7 and details["tokens_estimated"] is False


def test_half_an_answer_is_stored_as_failed(app: App, server: OpenAIServer) -> None:
    server.cut_after = 2
    try:
        last = ask(app.services, "green")
    finally:
        server.cut_after = None
    assert (last.turn.state, last.turn.content) == ("failed", "**green** is")
    assert last.notice.startswith("The answer was cut off: ")


@pytest.fixture
def compared(app: App) -> Iterator[Services]:
    """Every question gets two answers."""
    app.services.comparing.share = 1.0
    yield app.services
    app.services.comparing.share = 0.0


def test_two_answers_of_a_server_are_drawn_apart(compared: Services, server: OpenAIServer) -> None:
    usual, numbers = server.answer, itertools.count()
    server.answer = lambda messages: f"Answer {next(numbers)}."
    try:
        last = list(compared.comparing.reply(ANN, None, "two of them"))[-1]
    finally:
        server.answer = usual
    assert sorted(sent["temperature"] for sent in server.asked[-2:]) == [0.0, 0.8]
    left, right = compared.chat.thread(ANN, last.conversation_id).items[-1].choice or ()
    assert {left.content, right.content} == {"Answer 0.", "Answer 1."}
    assert {turn.details["sampling"]["temperature"] for turn in (left, right)} == {0.0, 0.8}


def test_one_answer_that_fails_is_said_and_the_other_goes_on(compared: Services, server: OpenAIServer) -> None:
    server.failing = [(400, {}, {"error": {"message": "this one is refused"}})]
    last = list(compared.comparing.reply(ANN, None, "one of them"))[-1]
    assert last.turn.state == "complete" and last.turn.content.startswith("**one of them**")
    assert last.other is not None and "this one is refused" in last.other.notice
    turns = compared.chat.threads.conversations.turns(last.conversation_id)
    assert sorted(turn.state for turn in turns if turn.role == "assistant") == ["complete", "failed"]
    shown = compared.chat.thread(ANN, last.conversation_id).items[-1]
    assert shown.turn.id == last.turn.id and shown.choice is None
    again = ask(compared, "and then", last.conversation_id)
    assert again.turn.content == "**and then** is what you said, after 3 messages."


def test_correction_becomes_a_frozen_row_to_export(app: App, tmp_path: Path) -> None:
    services = app.services
    turn = ask(services, "how do I say good morning").turn
    services.privacy.choose(ANN, "yes")
    _, example = services.chat.correct(ANN, turn.id, "Good morning!", ["bad_style"])
    services.curation.approve(OWNER, example.id)
    frozen = services.datasets.freeze(OWNER)
    assert frozen.created and not frozen.refused
    out = tmp_path / "d1.jsonl"
    assert export_file(services.exporter, OWNER, out, what="dataset", dataset=frozen.version.id) == 1
    roles = [message["role"] for message in json.loads(out.read_text())["messages"]]
    assert roles == ["system", "user", "assistant"]
    status = services.wheel.status(OWNER)
    assert (status.next_step.key, status.next_step.link, status.served) == ("export", "/data", "v0")


@pytest.mark.parametrize(
    ("command", "args", "so"),
    [
        ("train", {}, "nothing can be trained on it here"),
        ("runs", {"action": "resume", "number": 1}, "nothing can be trained on it here"),
        ("evaluate", {"version": "v1"}, "no version can be scored on it here"),
        ("merge", {"version": "v1", "out": "merged"}, "nothing can be merged or published"),
        ("publish", {"version": "v1", "repo": "alice/parrot"}, "nothing can be merged or published"),
        ("promote", {"version": "v1"}, "no version but `v0` can serve"),
        ("rollback", {}, "no version but `v0` can serve"),
    ],
)
def test_what_needs_weights_says_why_not(app: App, command: str, args: dict[str, object], so: str) -> None:
    with pytest.raises(Conflict) as caught:
        list(perform(app.services, OWNER, command, args))
    message = str(caught.value)
    assert message.startswith(WHY_NOT + so) and "Set FLYWHEEL_ENGINE to `local`" in message and "\n" not in message


def test_pages_say_it_and_have_no_dead_buttons(app: App) -> None:
    names = {str(fn.api_name) for fn in app.server.events.values()}
    assert not {name for name in names if name.startswith(("train_start", "versions_promote", "versions_rollback"))}
    owner = Caller(app, OWNER)
    said = {page: unescape(str(owner.send(f"{page}_open", []).data)) for page in ("train", "versions", "wheel")}
    told = {page: re.sub("</?code>", "`", words) for page, words in said.items()}
    assert f"{WHY_NOT}nothing can be trained on it here" in told["train"]
    assert f"{WHY_NOT}no version but `v0` can serve" in told["versions"]
    assert "serving v0" in told["wheel"]


def test_review_and_freeze_need_no_server(server: OpenAIServer, tmp_path: Path) -> None:
    silent = OpenAIServer()
    silent.start()
    silent.stop()
    services = build_services(over(silent, tmp_path / "home"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "hello", "completion": "Hello yourself."}) + "\n")
    try:
        commands = [("import", {"files": [str(rows)], "approved": True}), ("freeze", {}), ("status", {})]
        told = {name: list(perform(services, OWNER, name, args)) for name, args in commands}
        results = {name: next(e["result"] for e in events if "result" in e) for name, events in told.items()}
        assert results["import"]["added"] == 1 and results["freeze"]["id"] == "d1"
        with pytest.raises(Exception, match="cannot be reached"):
            list(perform(services, OWNER, "ask", {"text": "hello"}))
    finally:
        services.close()


def test_questions_about_a_database_carry_its_schema(server: OpenAIServer, tmp_path: Path) -> None:
    with openai_server(answer=lambda messages: "```sql\nSELECT count(*) FROM orders\n```") as other:
        services = build_services(
            settings_for(tmp_path / "home", engine="openai", base_model="parrot", openai_base_url=other.url)
        )
        try:
            services.wait_until_ready()
            last = ask(services, "how many orders are there")
        finally:
            services.close()
    assert last.outcome.rows == [[1500]]
    system = other.asked[-1]["messages"][0]
    assert system["role"] == "system" and "orders(" in system["content"] and "customers(" in system["content"]


def test_only_the_base_can_be_asked(app: App) -> None:
    assert app.services.versions.served() == "v0"
    last = ask(app.services, "anybody", version="v7")
    assert last.turn.state == "failed" and "only `v0` answers and not `v7`" in str(last.notice)
