"""docs/api.md is true: its examples run against the app as they stand, its tables name what the code has."""

import re
import shlex
from pathlib import Path

import httpx
import pytest

from flywheel import problem
from flywheel.rest import completions, room, shapes
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from tests.rest.conftest import Program
from tests.support.app import App

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"<!-- run -->\n```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def curl(command: str) -> httpx.Response:
    """What curl would do: the arguments that the examples use."""
    _, url, *rest = shlex.split(command.replace("\\\n", " "))
    given = list(zip(rest[::2], rest[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in given if name == "-H")
    content = next((value for name, value in given if name == "-d"), None)
    assert {name for name, _ in given} <= {"-H", "-d"}
    return httpx.request("GET" if content is None else "POST", url, headers=headers, content=content)


def test_examples_run_as_they_stand(app: App, guest: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert [kind for kind, _ in EXAMPLES] == ["python", "sh", "python", "python", "sh", "sh"]
    known: dict[str, object] = {}
    for kind, example in EXAMPLES:
        here = example.replace("http://127.0.0.1:7860", app.url).replace("fw-your-key", guest.key)
        if kind == "python":
            exec(here, known)
        else:
            response = curl(here.replace("TURN", known["answer"].id))  # type: ignore[attr-defined]
            assert response.status_code == 200, response.text
    printed = capsys.readouterr().out
    assert "SELECT count(*) AS customers FROM customers\nThe answer is " in printed
    assert "SELECT name FROM customers ORDER BY name" in printed and "\ndown 0" in printed


def test_every_field_and_code_is_named() -> None:
    for name in (*shapes.CompletionBody.model_fields, *shapes.FeedbackBody.model_fields):
        assert f"`{name}" in TEXT or f'"{name}"' in TEXT, name
    for status, (_, code) in problem.KINDS.items():
        assert status in (409, 421) or f"| {status} |" in TEXT, code
    for key, _ in (*SqlTask.reasons, *ChatTask.reasons):
        assert f"`{key}`" in TEXT, key


def test_figures_are_those_of_the_code() -> None:
    assert f"after {completions.DEADLINE_S:.0f} s at the latest" in TEXT
    assert room.WORKERS == 16 and "Sixteen answers" in TEXT
    assert f"{room.PLACES} are under way or in line, {room.PLACES_OF_ONE} of them of one key" in TEXT
