import threading

import pytest

from storage.database import Database
from storage.errors import BadValue, Busy, Missing, Stale
from storage.runs import Run, RunStore


@pytest.fixture
def store(db: Database) -> RunStore:
    return RunStore(db)


def start(store: RunStore) -> Run:
    return store.create(dataset="d1", method="sft", preset="quick", settings={"seed": 7}, by="owner")


def test_a_run_goes_from_queue_to_version(store: RunStore) -> None:
    queued = start(store)
    assert (queued.number, queued.state, queued.started, queued.settings) == (1, "queued", None, {"seed": 7})
    running = store.mark(1, "running", by="system")
    store.mark(1, "evaluating", version="v1", by="system")
    finished = store.mark(1, "finished", by="system")
    assert finished == store.get(1) == store.list()[0]
    assert (finished.version, finished.started, finished.by) == ("v1", running.started, "owner")
    assert finished.ended is not None and running.ended is None
    assert store.active() is None


def test_one_run_at_a_time(store: RunStore) -> None:
    start(store)
    with pytest.raises(Busy, match="Run 1 is queued"):
        start(store)
    store.mark(1, "failed", reason="NaN loss", by="system")
    assert start(store).number == 2
    assert store.active() == store.get(2)


def test_of_racing_starts_one_wins(store: RunStore) -> None:
    outcomes: list[str] = []

    def race() -> None:
        try:
            outcomes.append(start(store).state)
        except Busy:
            outcomes.append("busy")

    threads = [threading.Thread(target=race) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 11 + ["queued"]


def test_an_interrupted_run_can_go_on(store: RunStore) -> None:
    start(store)
    store.mark(1, "running", by="system")
    store.mark(1, "interrupted", reason="the app was stopped", by="system")
    resumed = store.mark(1, "running", by="owner")
    assert (resumed.state, resumed.reason, resumed.ended) == ("running", None, None)


def test_a_resumed_run_waits_for_another(store: RunStore) -> None:
    start(store)
    store.mark(1, "interrupted", by="system")
    start(store)
    with pytest.raises(Busy, match="Run 2 is queued"):
        store.mark(1, "running", by="owner")


def test_a_finished_run_stays_finished(store: RunStore) -> None:
    start(store)
    store.mark(1, "finished", by="system")
    with pytest.raises(Stale, match="Run 1 is finished"):
        store.mark(1, "cancelled", by="owner")


def test_a_reason_belongs_to_its_state(store: RunStore) -> None:
    start(store)
    assert store.mark(1, "failed", reason="out of memory", by="system").reason == "out of memory"
    assert store.mark(1, "queued", by="owner").reason is None


def test_an_unknown_run_is_named(store: RunStore) -> None:
    assert store.get(9) is None
    with pytest.raises(Missing, match="no run 9"):
        store.mark(9, "running", by="system")
    start(store)
    with pytest.raises(BadValue, match="`state` cannot be `done`"):
        store.mark(1, "done", by="system")


def test_runs_are_listed_newest_first(store: RunStore) -> None:
    for _ in range(3):
        store.mark(start(store).number, "cancelled", by="owner")
    assert [run.number for run in store.list()] == [3, 2, 1]
    assert [run.number for run in store.list(limit=2)] == [3, 2]
