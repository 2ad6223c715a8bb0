import threading
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from storage import writer
from storage.conversations import ConversationStore
from storage.database import Database, Transaction
from storage.errors import BadValue, Stale, StorageError, Unwritten
from storage.ids import new_id
from storage.ledger import verify
from storage.records import stamped
from storage.rows import Value


def conversation(owner: str) -> dict[str, Any]:
    row = {"id": new_id(), "owner": owner, "task": "sql", "title": ""}
    return stamped(row, owner, datetime.now(UTC))


def together(db: Database, jobs: list[Any]) -> list[Any]:
    """Run jobs so that they share a transaction: all wait while the writer is held up. Results or errors, in order."""
    outcomes: list[Any] = [None] * len(jobs)
    held, let_go = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        assert let_go.wait(10)

    def run(number: int) -> None:
        try:
            outcomes[number] = db.write(jobs[number], by=f"guest:{number}")
        except Exception as error:
            outcomes[number] = error

    first = threading.Thread(target=lambda: db.write(hold, by="system"))
    first.start()
    held.wait(10)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
        while not db._writer._asks and thread.is_alive():
            pass
    while len(db._writer._asks) < len(jobs):
        pass
    let_go.set()
    for thread in [first, *threads]:
        thread.join()
    return outcomes


def owners(db: Database) -> list[Value]:
    return [row["owner"] for row in db.rows("SELECT owner FROM conversations ORDER BY owner")]


def adds(owner: str) -> Any:
    row = conversation(owner)
    return lambda tx: tx.append("conversations", row) or owner


def adds_then_raises(tx: Transaction) -> None:
    tx.append("conversations", conversation("bad"))
    raise ValueError("the job's own")


def test_waiting_jobs_share_one_commit(db: Database) -> None:
    assert together(db, [adds(f"guest:{n}") for n in range(9)]) == [f"guest:{n}" for n in range(9)]
    # The lines of one commit carry one time.
    assert db.row("SELECT count(*) AS n, count(DISTINCT created) AS commits FROM ledger") == {"n": 9, "commits": 1}


@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_raising_job_harms_no_neighbour(db: Database, at: int) -> None:
    jobs = [adds(f"{n}") for n in range(4)]
    jobs.insert(at, adds_then_raises)
    outcomes = together(db, jobs)
    assert isinstance(outcomes.pop(at), ValueError)
    assert outcomes == owners(db) == ["0", "1", "2", "3"]
    assert verify(db).ok


def test_a_job_that_raises_after_a_read_harms_no_neighbour(db: Database) -> None:
    def reads_then_raises(tx: Transaction) -> None:
        tx.append("conversations", conversation("bad"))
        assert tx.value("SELECT count(*) FROM conversations WHERE owner = 'bad'") == 1
        raise ValueError("after the row had gone to the engine")

    outcomes = together(db, [adds("a"), reads_then_raises, adds("b")])
    assert [type(outcome) for outcome in outcomes] == [str, ValueError, str]
    assert owners(db) == ["a", "b"]
    assert verify(db).ok


def test_an_error_of_the_engine_harms_no_neighbour(db: Database) -> None:
    outcomes = together(db, [adds("a"), lambda tx: tx.rows("SELECT * FROM nowhere"), adds("b")])
    assert isinstance(outcomes[1], duckdb.CatalogException)
    assert owners(db) == ["a", "b"]


def test_a_swallowed_error_of_the_engine_loses_nothing_silently(db: Database) -> None:
    def swallows(tx: Transaction) -> str:
        tx.append("conversations", conversation("swallowed"))
        try:
            tx.rows("SELECT * FROM nowhere")
        except duckdb.Error:
            return "done"
        return "not reached"

    outcomes = together(db, [adds("a"), swallows, adds("b")])
    assert isinstance(outcomes[1], duckdb.CatalogException)
    assert owners(db) == ["a", "b"]


def test_the_same_id_twice_is_refused_once(db: Database) -> None:
    row = conversation("a")
    outcomes = together(db, [lambda tx: tx.append("conversations", row)] * 2 + [adds("b")])
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Stale", "str"]
    assert owners(db) == ["a", "b"]
    assert verify(db).rows == 2


def test_a_bad_value_is_refused_before_it_is_written(db: Database) -> None:
    outcomes = together(db, [adds("a"), adds("half \ud800"), adds("b")])
    assert isinstance(outcomes[1], BadValue) and "`owner`" in str(outcomes[1])
    assert owners(db) == ["a", "b"]


def test_check_then_append_admits_one(db: Database) -> None:
    def claim(tx: Transaction) -> bool:
        if tx.value("SELECT count(*) FROM conversations WHERE owner = 'only'"):
            raise Stale("taken")
        tx.append("conversations", conversation("only"))
        return True

    outcomes = together(db, [claim] * 12)
    assert outcomes.count(True) == 1
    assert owners(db) == ["only"]


def test_a_read_in_a_job_sees_its_neighbours(db: Database) -> None:
    def count(tx: Transaction) -> int:
        tx.append("conversations", conversation("x"))
        return int(tx.value("SELECT count(*) FROM conversations"))

    assert sorted(together(db, [count] * 5)) == [1, 2, 3, 4, 5]


def test_holding_sees_rows_not_yet_flushed(db: Database) -> None:
    row = conversation("x")

    def job(tx: Transaction) -> tuple[bool, bool]:
        before = tx.holds("conversations", row["id"])
        tx.append("conversations", row)
        return before, tx.holds("conversations", row["id"])

    assert db.write(job, by="x") == (False, True)
    assert db.write(lambda tx: tx.holds("conversations", row["id"]), by="x") is True


def test_a_job_that_exits_leaves_the_writer_alive(db: Database) -> None:
    def leaves(tx: Transaction) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        db.write(leaves, by="x")
    assert db.write(adds("after"), by="x") == "after"


def test_a_write_inside_a_job_is_a_mistake(db: Database) -> None:
    store = ConversationStore(db)
    with pytest.raises(RuntimeError, match="pass it its transaction"):
        db.write(lambda tx: store.start(owner="x", task="sql", by="x"), by="x")


def test_several_stores_share_a_transaction(db: Database) -> None:
    store = ConversationStore(db)

    def job(tx: Transaction) -> None:
        talk = store.start(owner="x", task="sql", by="x", tx=tx)
        store.add_turn(conversation_id=talk.id, parent_id=None, role="user", content="hi", by="x", tx=tx)
        raise ValueError("and all of it goes")

    with pytest.raises(ValueError, match="all of it"):
        db.write(job, by="x")
    assert store.counts() == {"conversations": 0, "turns": 0}


def breaks_after(held: Any) -> Any:
    """A commit during which the engine breaks: after the rows are durable, or before anything is."""

    def run(self: Any, cursor: Any, head: Any) -> None:
        if held:
            _RUN(self, cursor, head)
        raise duckdb.FatalException("FATAL Error: the database has been invalidated")

    return run


_RUN = writer._Attempt.run


@pytest.mark.parametrize("held", [True, False])
def test_after_a_break_the_ledger_says_what_held(db: Database, monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    db.write(adds("before"), by="x")
    monkeypatch.setattr(writer._Attempt, "run", breaks_after(held))
    if held:
        assert db.write(adds("during"), by="x") == "during"
    else:
        with pytest.raises(Unwritten, match="Nothing of this was kept"):
            db.write(adds("during"), by="x")
    monkeypatch.undo()
    assert db.write(adds("z after"), by="x") == "z after"
    assert owners(db) == ["before", *(["during"] if held else []), "z after"]
    assert verify(db).ok and db.head.seq == len(owners(db))


def test_every_writer_gets_its_own_answer(db: Database) -> None:
    answers: dict[int, list[int]] = {}

    def client(number: int) -> None:
        answers[number] = [db.write(lambda tx, n=n: (adds(str(number))(tx), n)[1], by="x") for n in range(25)]

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: list(range(25)) for number in range(16)}
    report = verify(db)
    assert report.ok and report.rows == 400


def test_closing_finishes_what_was_asked(db: Database) -> None:
    errors: list[str] = []
    done: list[str] = []

    def client(number: int) -> None:
        try:
            for n in range(200):
                done.append(db.write(adds(f"{number}-{n}"), by="x"))
        except StorageError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(done) < 20:
        pass
    db.close()
    for thread in threads:
        thread.join(10)
    assert all("shutting down" in error for error in errors)
    again = Database.open(db._engine.path, db.tail.path)
    assert set(owners(again)) == set(done)
    assert again.report.messages == []
    again.close()
