"""A model at a server runs its SQL as a tool call: what is run, stored and said, and what goes wrong there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from flywheel.tasks.sql import SqlOutcome
from flywheel.tasks.tools import told
from flywheel.ui import present
from tests.support.app import settings_for
from tests.support.openai_server import OpenAIServer, openai_server

ANN = Principal("guest:" + "a" * 32, Role.GUEST)
COUNT = "SELECT count(*) AS n FROM customers"
QUESTION = "How many customers are there?"
Messages = list[dict[str, Any]]


def sql(statement: str) -> dict[str, str]:
    return {"name": "run_sql", "arguments": json.dumps({"sql": statement})}


def once(*calls: dict[str, str]):
    """These calls to a question, and none to a result."""
    return lambda messages: list(calls) if messages[-1]["role"] == "user" else []


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server(calls=lambda messages: []) as server:
        yield server


@pytest.fixture(scope="module")
def services(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("tools") / "home"
    services = build_services(settings_for(home, engine="openai", base_model="parrot", openai_base_url=server.url))
    services.wait_until_ready()
    yield services
    services.close()


@pytest.fixture(autouse=True)
def fresh(server: OpenAIServer) -> None:
    server.asked.clear()
    server.answer = lambda messages: f"There are {result(messages)['rows'][0][0]} customers."


def result(messages: Messages) -> dict[str, Any]:
    return json.loads(messages[-1]["content"])


def ask(services: Services, text: str = QUESTION) -> Update:
    return list(services.chat.reply(ANN, None, text))[-1]


def sentence(update: Update) -> str:
    assert update.outcome is not None
    return update.outcome.sentence


def test_the_statement_is_the_answer_and_the_sentence_is_the_models(services: Services, server: OpenAIServer) -> None:
    server.calls = once(sql(COUNT))
    last = ask(services)
    count = services.task.outcome(COUNT).rows[0][0]
    assert last.turn is not None and last.turn.content == COUNT, "as completions and corrections are"
    assert sentence(last) == f"There are {count} customers." and last.turn.details["words"]["agreed"] is True
    first, second = server.asked
    assert first["tools"][0]["function"]["name"] == "run_sql"
    assert "call `run_sql`" in first["messages"][0]["content"] and "Tables:" in first["messages"][0]["content"]
    call, answer = second["messages"][-2:]
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"]
    assert result(second["messages"]) == {"columns": ["n"], "rows": [[count]], "row_count": 1}
    assert last.turn.details["prompt_tokens"] == 27 and not last.turn.details["tokens_estimated"]


def test_a_number_that_is_not_in_the_result_is_never_said(services: Services, server: OpenAIServer) -> None:
    server.calls = once(sql(COUNT))
    server.answer = lambda messages: "There are 99999 customers."
    last = ask(services)
    assert sentence(last) == services.task.outcome(COUNT).sentence
    assert last.turn is not None and last.turn.details["words"] == {
        "said": "There are 99999 customers.",
        "agreed": False,
    }
    page = present.messages(services.chat.thread(ANN, last.conversation_id).items)[-1]["content"]["text"]
    assert "99999" not in page and "made from the result" in page


def test_a_statement_passes_the_same_guard(services: Services, server: OpenAIServer) -> None:
    seen: list[dict[str, Any]] = []

    def calls(messages: Messages) -> list[dict[str, str]]:
        if messages[-1]["role"] == "user":
            return [sql("DELETE FROM customers")]
        seen.append(result(messages))
        return [sql(COUNT)] if len(seen) == 1 else []

    server.calls = calls
    last = ask(services)
    assert "error" in seen[0] and last.turn is not None and last.turn.content == COUNT
    server.calls, server.answer = lambda messages: [sql("DROP TABLE orders")], lambda messages: "Done."
    last = ask(services)
    assert last.turn is not None and last.turn.content == "DROP TABLE orders"
    assert last.outcome is not None and not last.outcome.accepted and "did not run" in sentence(last)


@pytest.mark.parametrize(
    "call",
    [
        {"name": "run_sql", "arguments": '{"sql": "SELECT'},
        {"name": "run_sql", "arguments": "[]"},
        {"name": "run_sql", "arguments": '{"sql": 7}'},
        {"name": "run_sql", "arguments": '{"sql": "good morning"}'},
        {"name": "weather", "arguments": "{}"},
        {"name": "", "arguments": "{}"},
    ],
)
def test_a_wrong_call_is_told_and_may_be_made_again(
    services: Services, server: OpenAIServer, call: dict[str, str]
) -> None:
    server.calls = lambda messages: [call] if messages[-1]["role"] == "user" else _after_an_error(messages)
    last = ask(services)
    assert last.turn is not None and (last.turn.content, last.turn.state) == (COUNT, "complete")
    server.calls = lambda messages: [call]
    last = ask(services)
    assert last.turn is not None and last.turn.state == "failed"
    assert last.turn.details["error"] == "The model called its tool wrongly 3 times. Ask again, in other words."


def _after_an_error(messages: Messages) -> list[dict[str, str]]:
    return [sql(COUNT)] if "error" in result(messages) else []


def test_endless_calls_end(services: Services, server: OpenAIServer) -> None:
    server.calls = lambda messages: [sql(COUNT), sql("SELECT 1")]
    last = ask(services)
    assert len(server.asked) == 4
    assert last.turn is not None and last.turn.content == COUNT
    assert sentence(last) == services.task.outcome(COUNT).sentence
    assert "One call at a time" in server.asked[1]["messages"][-1]["content"]


def test_words_without_a_call_stay_words(services: Services, server: OpenAIServer) -> None:
    server.calls, server.answer = lambda messages: [], lambda messages: "I can only answer questions about the shop."
    last = ask(services, "Who are you?")
    assert last.turn is not None and last.turn.content == "I can only answer questions about the shop."
    assert last.turn.details["words"] is None
    server.answer = lambda messages: COUNT
    assert ask(services).outcome == services.task.outcome(COUNT), "a server that ignores tools"


def test_a_server_that_fails_after_the_result_leaves_the_result(services: Services, server: OpenAIServer) -> None:
    def calls(messages: Messages) -> list[dict[str, str]]:
        if messages[-1]["role"] == "user":
            server.fail(1, 400)
            return [sql(COUNT)]
        return []

    server.calls = calls
    last = ask(services)
    assert last.turn is not None and (last.turn.state, last.turn.content) == ("complete", COUNT)
    assert sentence(last) == services.task.outcome(COUNT).sentence


@pytest.mark.parametrize(
    "words",
    ["", "this model does not support tools", '"auto" tool choice requires --enable-auto-tool-choice to be set'],
)
def test_a_server_without_tools_is_asked_without(tmp_path: Path, words: str) -> None:
    with openai_server(answer=lambda messages: COUNT) as server:
        if words:
            server.failing.append((400, {}, {"error": {"message": words}}))
        settings = settings_for(tmp_path / "home", engine="openai", base_model="parrot", openai_base_url=server.url)
        services = build_services(settings)
        try:
            services.wait_until_ready()
            for _ in "12":
                assert ask(services).outcome == services.task.outcome(COUNT)
            assert ["tools" in body for body in server.asked] == [True, False, False]
            assert "run_sql" not in str(server.asked[-1]["messages"])
        finally:
            services.close()


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("There are 1,234 orders in Berlin.", True),
        ("There are 1234 orders; the average is 12.35.", True),
        ("The average is 12.3456.", True),
        ("The average is about 12.", False),
        ("The average is 12.34.", False),
        ("There are 1.234 orders, 12,35 on average.", False),
        ("There are 1.234 orders, 12,3456 on average.", True),
        ("Version 1.2.3.4 leads.", False),
        ("In March 2024 there were 2 rows, and a loss of 5.", True),
        ("Two rows match.", True),
        ("Seven rows match.", False),
        ("A dozen rows match.", False),
        ("Twenty-two rows match.", False),
        ("It is 20% more.", False),
        ("Berlin leads.", True),
        ("```sql\nSELECT 1\n```", False),
        ("", None),
    ],
)
def test_words_are_taken_when_their_numbers_are_in_the_result(words: str, fits: bool | None) -> None:
    rows = [["Berlin", 1234, 12.3456, "2024-03-01"], ["Rome", -5, None, None]]
    outcome = SqlOutcome("SELECT 1", True, "", ["city", "orders", "average", "day"], rows, sentence="ours")
    said, agreed = told(outcome, words)
    assert agreed is fits and said.sentence == (words if fits else "ours")
