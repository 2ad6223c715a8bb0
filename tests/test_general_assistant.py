"""The task `chat` from a question to a served version, over a tiny random model that is really trained."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.imports import import_file
from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from flywheel.ui import present
from tests.support.app import settings_for
from tests.support.station import LESSONS, QUICK
from tests.support.tiny import make_tiny_model

OWNER, ANN = Principal("local:owner", Role.OWNER), Principal("guest:" + "a" * 32, Role.GUEST)
PROMPT = "You sell bikes."
HOSTILE = "**Bold** <script>alert(1)</script> ![x](http://elsewhere/x.png)"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("assistant")
    base = make_tiny_model(folder / "base")
    services = build_services(settings_for(folder / "home", base_model=str(base), task="chat", system_prompt=PROMPT))
    services.wait_until_ready()
    yield services
    services.close()


def ask(services: Services, text: str) -> Update:
    return list(services.chat.reply(ANN, None, text))[-1]


def finished(services: Services, number: int) -> str:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        services.training.poll()
        run = services.training.view(OWNER, number).run
        if run.ended is not None:
            return f"{run.state} {run.reason or ''}".strip()
        time.sleep(0.1)
    raise AssertionError("the run does not end")


def test_system_message_goes_first_and_nothing_is_run(services: Services) -> None:
    last = ask(services, "how many orders in a")
    assert last.turn.details["rendered_prompt"].startswith(f"<|im_start|>system\n{PROMPT}<|im_end|>\n")
    assert last.outcome is None and last.turn.details["sql"] is None


def test_markdown_is_shown_and_cannot_act(services: Services) -> None:
    turn = ask(services, "hello").turn
    services.chat.correct(ANN, turn.id, HOSTILE, ["bad_style"])
    shown = present.prose(HOSTILE)
    assert "**Bold**" in shown and "<script" not in shown and "![" not in shown
    item = next(item for item in services.chat.thread(ANN, turn.conversation_id).items if item.turn.id == turn.id)
    assert "SQL" not in present.answer(item) and item.correction.text == HOSTILE


def test_corrections_make_a_version_that_the_gate_passes(services: Services, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text("".join(json.dumps(row) + "\n" for row in LESSONS))
    lessons = tmp_path / "lessons.jsonl"
    taught = [json.loads(json.dumps(row).replace("how many orders in", "tell me of the orders in")) for row in LESSONS]
    lessons.write_text("".join(json.dumps(row) + "\n" for row in taught))
    import_file(services.importer, OWNER, held_out, split="test", approved=True)
    import_file(services.importer, OWNER, lessons, split="train", approved=True)
    frozen = services.datasets.freeze(OWNER)
    rows = services.datasets.rows(OWNER, frozen.version.id)
    assert {row.prompt[0]["content"] for row in rows} == {PROMPT}
    run = services.training.start(OWNER, overrides=QUICK)
    assert finished(services, run.number) == "finished"
    view = services.versions.newest(OWNER)
    assert view is not None and view.verdict.state == "passed", view.verdict.reasons
    services.versions.promote(OWNER, view.version.id)
    last = ask(services, "how many orders in b")
    assert last.turn.version == "v1" and "count" in last.turn.content
