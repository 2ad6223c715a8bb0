"""How answers end: stopped, overdue, cut, closed, refused while another goes on."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.errors import Conflict, Unavailable
from flywheel.reply import Update
from flywheel.serving.engine import Sampling, Stream
from flywheel.serving.local import LocalEngine
from flywheel.tasks.sql import SqlTask
from storage.errors import DiskFull
from storage.home import Home
from tests.support.chatting import ANN, BOB, COUNT, RAMBLE, SQL, App, make_app


def test_updates_are_coalesced(app: App) -> None:
    began = time.monotonic()
    updates = list(app.chat.reply(ANN, None, COUNT, version="v1", sampling=RAMBLE))
    seconds = time.monotonic() - began
    assert 3 < len(updates) <= 20 * seconds + 3
    assert updates[-1].turn.details["completion_tokens"] > len(updates)


def test_waiting_gives_heartbeats(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = app.ask(ANN, COUNT, version="v1").text
    monkeypatch.setattr("flywheel.serving.local_loop.MOST_ROWS", 1)
    ahead = [app.engine.submit([{"role": "user", "content": "x"}], "v1", RAMBLE) for _ in range(2)]
    updates = list(app.chat.reply(ANN, None, COUNT, version="v1"))
    assert [update.text for update in updates].count("") >= 3
    assert updates[-1].text == alone
    assert {stream.result().finish_reason for stream in ahead} <= {"length", "stop"}


def test_stop_keeps_what_there_is_once(app: App) -> None:
    replies = app.chat.reply(ANN, None, COUNT, version="v1", sampling=RAMBLE)
    for update in replies:
        if update.text:
            assert not app.chat.stop(BOB, update.turn_id)
            assert app.chat.stop(ANN, update.turn_id)
            break
    last = [*replies][-1]
    assert last.turn.state == "stopped"
    assert last.turn.details["finish_reason"] == "cancelled"
    assert last.turn.details["sql"] is None
    assert last.text
    assert [turn.role for turn in app.turns()] == ["user", "assistant"]
    assert not app.chat.stop(ANN, last.turn_id)


def test_closed_tab_stores_the_answer_once_as_aborted(app: App) -> None:
    for pieces in range(8):
        replies = app.chat.reply(ANN, None, COUNT, version="v1", sampling=RAMBLE)
        for _, update in zip(range(pieces + 1), replies, strict=False):
            seen = update
        replies.close()
        stored = app.conversations.turns(seen.conversation_id)
        assert [turn.role for turn in stored] == ["user", "assistant"]
        # A busy machine may hand the pieces over after the model has ended; nothing was cut off then.
        assert stored[1].state == "aborted" or (pieces and stored[1].state == "complete")
        assert stored[1].content.startswith(seen.text)
        assert stored[1].id == seen.turn_id


def test_overdue_answer_is_stopped_in_words(app: App) -> None:
    last = app.ask(ANN, COUNT, version="v1", sampling=replace(RAMBLE, deadline_s=0.05))
    assert last.turn.state == "stopped"
    assert last.turn.details["finish_reason"] == "deadline"
    assert "0.05 seconds" in last.notice


def test_cut_answer_says_so(app: App) -> None:
    last = app.ask(ANN, COUNT, sampling=Sampling(max_new_tokens=2))
    assert last.turn.state == "complete"
    assert "2 tokens" in last.notice


def test_second_question_waits_for_the_first(app: App) -> None:
    replies = app.chat.reply(ANN, None, COUNT, version="v1", sampling=RAMBLE)
    conversation = [*replies][-1].conversation_id
    replies = app.chat.reply(ANN, conversation, COUNT, version="v1", sampling=RAMBLE)
    next(replies)
    before = app.events()
    with pytest.raises(Conflict, match="still being written"):
        app.ask(ANN, COUNT, conversation)
    assert app.events() == before
    replies.close()
    assert app.ask(ANN, COUNT, conversation).text == SQL


def test_unready_model_stores_nothing(app: App, tmp_path: Path, task: SqlTask) -> None:
    engine = LocalEngine(str(tmp_path / "nowhere"), None, lambda version: None)
    engine.wait_ready(60)
    without = make_app(Home.open(tmp_path / "other"), engine, task)
    with pytest.raises(Unavailable, match="nowhere"):
        without.ask(ANN, COUNT)
    assert without.turns() == []
    without.database.close()
    engine.close()


def test_engine_that_closes_meanwhile_stores_nothing(tmp_path: Path, engine: LocalEngine, task: SqlTask) -> None:
    class Closing:
        """The real engine, gone between the look at it and the submission."""

        def __getattr__(self, name: str):
            return getattr(engine, name)

        def submit(self, *_given):
            raise Unavailable("The model does not answer yet: the engine is closed.")

    app = make_app(Home.open(tmp_path / "home"), Closing(), task)
    with pytest.raises(Unavailable):
        app.ask(ANN, COUNT)
    assert app.turns() == []
    app.database.close()


def test_nothing_is_shown_before_the_question_is_durable(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    written, go = threading.Event(), threading.Event()
    write, submit = app.database.write, app.engine.submit
    streams: list[Stream] = []

    def late(*given, **named):
        streams[0]._pieces.get(timeout=20)
        written.set()
        assert go.wait(20)
        return write(*given, **named)

    def noted(*given):
        streams.append(submit(*given))
        return streams[0]

    monkeypatch.setattr(app.engine, "submit", noted)
    monkeypatch.setattr(app.database, "write", late)
    replies = app.chat.reply(ANN, None, COUNT, version="v1", sampling=RAMBLE)
    shown: list[Update] = []
    reader = threading.Thread(target=lambda: shown.append(next(replies)))
    reader.start()
    assert written.wait(20), "the model does not answer meanwhile"
    assert (shown, app.turns()) == ([], [])
    go.set()
    reader.join()
    assert [turn.id for turn in app.turns()] == [shown[0].user_turn_id]
    monkeypatch.setattr(app.database, "write", write)
    replies.close()


def test_question_that_cannot_be_stored_stops_the_model(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given, **_named):
        raise DiskFull("The disk is full.")

    submit, streams = app.engine.submit, []
    monkeypatch.setattr(app.engine, "submit", lambda *given: streams.append(submit(*given)) or streams[-1])
    monkeypatch.setattr(app.database, "write", full)
    with pytest.raises(DiskFull):
        app.ask(ANN, COUNT, version="v1", sampling=RAMBLE)
    assert streams[0].result().finish_reason == "cancelled"
    assert app.turns() == []
