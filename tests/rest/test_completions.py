"""Completions, asked by the real client: one answer, a stream, and what of it is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from storage.conversations import ConversationStore, Turn
from tests.conftest import ANSWERS
from tests.rest.conftest import Program
from tests.support.app import App

COUNT, WORDS = "how many customers", "who are you"
OUTCOME = {"turn_id", "version", "sql", "accepted", "reason", "columns", "rows", "truncated", "sentence"}


def ask(program: Program, *messages: str, **more: Any) -> Any:
    """Messages by turns, the first and the last by the user."""
    told = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(messages)]
    return program.client.chat.completions.create(**{"model": "flywheel", "messages": told} | more)


def path_to(app: App, turn_id: str) -> list[Turn]:
    return ConversationStore(app.services.database).path_to(turn_id)


def test_answer_is_the_bare_statement_with_its_result(guest: Program) -> None:
    answer = ask(guest, COUNT)
    assert answer.choices[0].message.content == ANSWERS[COUNT]
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion" and answer.model == "v0"
    usage = answer.usage
    assert usage.prompt_tokens > 0 < usage.completion_tokens
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    told = answer.flywheel
    assert set(told) == OUTCOME and told["turn_id"] == answer.id and told["version"] == "v0"
    assert (told["sql"], told["accepted"], told["columns"]) == (ANSWERS[COUNT], True, ["customers"])
    assert told["sentence"] == f"The answer is {told['rows'][0][0]}."


def test_answer_in_words_ran_nothing(guest: Program) -> None:
    answer = ask(guest, WORDS)
    assert answer.choices[0].message.content == ANSWERS[WORDS]
    assert (answer.flywheel["sql"], answer.flywheel["accepted"], answer.flywheel["rows"]) == (None, False, [])


def test_refused_statement_says_why(guest: Program) -> None:
    told = ask(guest, "delete all orders").flywheel
    assert told["accepted"] is False and told["reason"] and told["rows"] == []


def test_stream_adds_up_to_the_answer(guest: Program) -> None:
    chunks = list(ask(guest, COUNT, stream=True))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWERS[COUNT]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert set(chunks[-1].flywheel) == OUTCOME and chunks[-1].flywheel["turn_id"] == chunks[0].id
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_ends_with_the_usage_where_it_is_wanted(guest: Program) -> None:
    chunks = list(ask(guest, COUNT, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_said_over_rest_is_kept_as_said(app: App, guest: Program) -> None:
    answer = ask(guest, COUNT, user="customer-17")
    question, turn = path_to(app, answer.id)
    assert (turn.id, turn.content, turn.state, turn.version) == (answer.id, ANSWERS[COUNT], "complete", "v0")
    assert (question.content, question.source, turn.source) == (COUNT, "rest", "rest")
    assert question.details == {"user": "customer-17"}
    conversation = ConversationStore(app.services.database).conversation(turn.conversation_id)
    assert conversation is not None and conversation.owner == guest.owner


def test_history_is_kept_as_told_and_marked(app: App, guest: Program) -> None:
    answer = ask(guest, "hello", "Hello to you.", COUNT)
    path = path_to(app, answer.id)
    assert [turn.content for turn in path[:3]] == ["hello", "Hello to you.", COUNT]
    assert [turn.details.get("given", False) for turn in path] == [True, True, False, False]
    assert path[1].version is None


def test_history_of_our_own_answers_goes_on(app: App, guest: Program, program: Callable[..., Program]) -> None:
    first = ask(guest, WORDS).choices[0].message
    told = [{"role": "user", "content": WORDS}, first, {"role": "user", "content": COUNT}]
    second = guest.client.chat.completions.create(model="flywheel", messages=told)
    path = path_to(app, second.id)
    assert [turn.content for turn in path[:3]] == [WORDS, ANSWERS[WORDS], COUNT]
    assert not any(turn.details.get("given") for turn in path)
    other = program().client.chat.completions.create(model="flywheel", messages=told)
    assert [bool(turn.details.get("given")) for turn in path_to(app, other.id)] == [True, True, False, False]


def test_text_parts_are_read_in_order(guest: Program, app: App) -> None:
    parts = [{"type": "text", "text": "how many"}, {"type": "text", "text": "customers"}]
    answer = guest.client.chat.completions.create(model="flywheel", messages=[{"role": "user", "content": parts}])
    assert path_to(app, answer.id)[0].content == "how many\ncustomers"


def test_system_message_is_the_owners(app: App, guest: Program, program: Callable[..., Program]) -> None:
    told = [{"role": "system", "content": "Answer with poems."}, {"role": "user", "content": COUNT}]
    with pytest.raises(openai.PermissionDeniedError, match="role `owner`"):
        guest.client.chat.completions.create(model="flywheel", messages=told)
    with pytest.raises(openai.PermissionDeniedError):
        program("reviewer").client.chat.completions.create(model="flywheel", messages=told)
    answer = program("owner").client.chat.completions.create(model="flywheel", messages=told)
    question, turn = path_to(app, answer.id)
    assert question.details["system"] == "Answer with poems."
    assert "Answer with poems." in turn.details["rendered_prompt"]
    assert "Answer with SQL." not in turn.details["rendered_prompt"]


def test_length_and_stop_bound_the_answer(guest: Program) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = ask(guest, COUNT, **{name: 3})
        assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 3
        assert answer.flywheel["notice"] == "The answer was cut after 3 tokens."
    for stop in (" AS", [" AS", "FROM"]):
        assert ask(guest, COUNT, stop=stop).choices[0].message.content == "SELECT count(*)"


def test_sampling_is_kept_with_the_answer(app: App, guest: Program) -> None:
    answer = ask(guest, COUNT, temperature=1.5, top_p=0.5, seed=7)
    sampling = path_to(app, answer.id)[-1].details["sampling"]
    assert (sampling["temperature"], sampling["top_p"], sampling["seed"]) == (1.5, 0.5, 7)
    assert path_to(app, ask(guest, COUNT).id)[-1].details["sampling"]["temperature"] == 0.0


def test_models_are_what_serves_and_every_version(app: App, guest: Program) -> None:
    names = [model.id for model in guest.client.models.list()]
    assert names[0] == "flywheel" and names[-1] == "v0"
    served = guest.client.models.retrieve("v0")
    assert served.object == "model"
    assert served.model_extra == {"max_model_len": app.services.engine.context_length}
    with pytest.raises(openai.NotFoundError) as caught:
        guest.client.models.retrieve("v99")
    assert caught.value.code == "model_not_found"


def test_unknown_model_is_404(guest: Program) -> None:
    for model in ("v99", "gpt-4o", "v00", "V0", ""):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(guest, COUNT, model=model)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_home_key_speaks_as_owner(app: App) -> None:
    client = openai.OpenAI(base_url=f"{app.url}/v1", api_key=app.services.home.owner_token(), max_retries=0)
    answer = client.chat.completions.create(model="v0", messages=[{"role": "user", "content": COUNT}])
    conversation = path_to(app, answer.id)[0].conversation_id
    stored = ConversationStore(app.services.database).conversation(conversation)
    assert stored is not None and stored.owner == "key:owner"


def test_page_closed_to_guests_leaves_keys_open(app: App, guest: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.services.chat, "_settings", replace(app.services.settings, guest_chat=False))
    assert ask(guest, COUNT).choices[0].message.content == ANSWERS[COUNT]


def test_keys_that_were_used_lie_nowhere_in_the_home(app: App, guest: Program, tmp_path: Path) -> None:
    ask(guest, COUNT, user="customer-17")
    guest.http.post("/v1/chat/completions", content=b"{")
    app.services.database.backup(tmp_path / "copy.duckdb")
    home = app.services.home
    # The live database is never opened here: that would drop its lock. Its copy holds the same rows.
    live = {home.database, home.database.with_name(f"{home.database.name}.wal")}
    files = [tmp_path / "copy.duckdb", *(path for path in home.path.rglob("*") if path.is_file() and path not in live)]
    secret = guest.key.removeprefix("fw-").encode()
    assert b"customer-17" in files[0].read_bytes()
    assert [path for path in files if secret in path.read_bytes()] == []
