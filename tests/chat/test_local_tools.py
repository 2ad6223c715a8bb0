"""A real (tiny) base that calls a function: asked by the chat, over a real database, beside a version that does not."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from flywheel.serving.engine import AdapterSpec, Sampling
from flywheel.serving.local import LocalEngine
from flywheel.serving.local_tools import CallingEngine
from flywheel.serving.tool_template import find_template
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.tools import Tool, sql_tool
from storage.files import sha256_file
from storage.home import Home
from tests.support.adapters import make_adapter
from tests.support.chatting import ANN, SQL, App, make_app
from tests.support.parrot import teach
from tests.support.tiny import make_tiny_model

COUNT, LIE, HELLO = "how many orders", "how many in total", "hello"
TEMPLATE = """
{%- if tools %}{{- '<|im_start|>system\\n' + tools[0].function.name + '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n' + call.function|tojson + '\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""In the manner of Qwen's, and shorter."""


def call(statement: str) -> str:
    return f'<tool_call>\n{{"name": "run_sql", "arguments": {json.dumps({"sql": statement})}}}\n</tool_call>'


def tool_of(task: SqlTask) -> Tool:
    return replace(sql_tool(task), hint="Call it.")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, task: SqlTask) -> Path:
    path = make_tiny_model(tmp_path_factory.mktemp("caller"), positions=1024)
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(path)
    tool = tool_of(task)
    template = find_template(tokenizer, tool)
    assert template is not None
    arguments = json.dumps({"sql": SQL})
    called = {"function": {"name": tool.name, "arguments": arguments}}
    told: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "content": tool.run(arguments).told},
    ]
    count = task.outcome(SQL).rows[0][0]
    ends = {COUNT: f"There are {count} orders.", LIE: "There are 777777 orders."}
    rows = [(rendered(template, HELLO, []), "Good day to you.")]
    for question, words in ends.items():
        rows += [(rendered(template, question, []), call(SQL)), (rendered(template, question, told), words)]
    return teach(path, rows, steps=150, until=0.015)


def rendered(template: Any, question: str, told: list[dict[str, Any]]) -> str:
    messages = template.messages([{"role": "user", "content": question}], told)
    return template.tokenizer.apply_chat_template(
        messages, tools=[template.tool.spec], tokenize=False, add_generation_prompt=True
    )


@pytest.fixture(scope="module")
def caller(base: Path, task: SqlTask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallingEngine]:
    path = make_adapter(base, tmp_path_factory.mktemp("versions") / "v1", seed=1)
    spec = AdapterSpec(path, "full", sha256_file(path / "adapter_model.safetensors"))
    engine = CallingEngine(str(base), None, {"v1": spec}.get, name="caller", tool=tool_of(task))
    assert engine.wait_ready(60)[0]
    yield engine
    engine.close()


@pytest.fixture
def app(tmp_path: Path, caller: CallingEngine, task: SqlTask) -> Iterator[App]:
    app = make_app(Home.open(tmp_path / "home"), caller, task)
    yield app
    app.database.close()


def test_the_statement_runs_as_the_bases_call_and_the_sentence_is_its_own(app: App, task: SqlTask) -> None:
    last = app.ask(ANN, COUNT)
    count = task.outcome(SQL).rows[0][0]
    assert last.turn is not None and last.turn.content == SQL, "as completions and corrections are"
    assert last.outcome is not None and last.outcome.sentence == f"There are {count} orders."
    assert last.turn.details["words"] == {"said": last.outcome.sentence, "agreed": True}
    assert last.turn.details["rendered_prompt"].startswith("<|im_start|>system\nrun_sql")
    assert last.turn.details["prompt_tokens"] > 60 and not last.turn.details["tokens_estimated"]
    hello = app.ask(ANN, HELLO)
    assert hello.text == "Good day to you." and hello.turn is not None and hello.turn.details["words"] is None


def test_a_number_that_is_not_in_the_result_is_never_said(app: App, task: SqlTask) -> None:
    last = app.ask(ANN, LIE)
    assert last.outcome == task.outcome(SQL)
    assert last.turn is not None
    assert last.turn.details["words"] == {"said": "There are 777777 orders.", "agreed": False}


def test_answers_at_the_same_time_keep_their_calls_apart(app: App) -> None:
    asked = [COUNT, HELLO, LIE] * 3
    said: dict[int, str] = {}

    def ask(number: int) -> None:
        turn = app.ask(ANN, asked[number]).turn
        said[number] = turn.content if turn else ""

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[n] for n in range(len(asked))] == [SQL, "Good day to you.", SQL] * 3


def test_a_version_that_was_trained_here_is_asked_as_it_was_taught(
    caller: CallingEngine, base: Path, task: SqlTask
) -> None:
    """And so is a base that takes no tools: prompt and answer are those of an engine that knows of none."""
    plain = LocalEngine(str(base), None, caller._adapters, name="caller")
    try:
        assert plain.wait_ready(60)[0]
        messages, sampling = [{"role": "user", "content": COUNT}], Sampling(20)
        ours, theirs = (engine.submit(messages, "v1", sampling).result() for engine in (caller, plain))
        assert (ours.text, ours.rendered_prompt) == (theirs.text, theirs.rendered_prompt)
        assert "run_sql" not in ours.rendered_prompt and ours.words is None
    finally:
        plain.close()


def test_a_question_that_leaves_no_room_for_the_tool_is_asked_without(caller: CallingEngine) -> None:
    def asked(words: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": " order" * words}]

    frame = caller.count_tokens(asked(0))
    each = (caller.count_tokens(asked(100)) - frame) // 100
    made = caller.submit(asked((caller.context_length - 32 - frame - 3) // each), "v0", Sampling(1)).result()
    assert "run_sql" not in made.rendered_prompt and made.error is None
