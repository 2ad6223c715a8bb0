"""The inbox at scale: 1M turns, 200k thumbs, 25k examples in one home; how long a page, a search, a decision takes.

`python -m benchmarks.inbox [--examples N] [--home DIR]`. The home is filled by SQL (no ledger line per row, which the
figures do not need), then opened as the app opens it.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from flywheel.curation import Curation
from flywheel.guarding import Guard
from flywheel.inbox import Inbox
from flywheel.leases import Leases
from flywheel.poisoning.limits import Limits
from flywheel.queue import Queue
from flywheel.queue_entries import Filters
from flywheel.roles import Principal, Role
from flywheel.second_eyes import SecondEyes
from flywheel.tasks.chat import ChatTask
from flywheel.validity import Rules
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetStore
from storage.examples import Example, ExampleStore
from storage.queue import QueueStore
from storage.tags import TagStore
from storage.versions import VersionStore

ANN = Principal("local:reviewer:ann", Role.REVIEWER)
TURNS_OF_EXAMPLE = 40
THUMBS_OF_EXAMPLE = 8
PEOPLE = 20_000
WORDS = (
    "orders", "customers", "revenue", "margin", "region", "average", "refund", "invoice", "shipment", "warehouse",
    "product", "category", "discount", "supplier", "total", "monthly", "yearly", "highest", "lowest", "above", "below",
    "between", "list", "count", "show", "which", "when", "where", "returned", "cancelled", "pending", "delivered",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--home", type=Path, default=None, help="a directory on the disk to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.home) as folder:
        path, tail = Path(folder) / "flywheel.duckdb", Path(folder) / "ledger.tail"
        Database.open(path, tail).close()
        fill(path, options.examples)
        db = Database.open(path, tail)
        try:
            print(json.dumps(measured(db, options.rounds), indent=1))
        finally:
            db.close()


def fill(path: Path, examples: int) -> None:
    """Rows of a busy year, made in the engine."""
    with duckdb.connect(str(path)) as con:
        word = f"({list(WORDS)!r})[1 + (hash(i * 31 + {{}}) % {len(WORDS)})::INTEGER]"
        question = " || ' ' || ".join(word.format(n) for n in range(9)) + " || ' ' || (i % 997)"
        con.execute(f"SET VARIABLE n = {examples}")
        id = "lpad(lower({}), 26, '0')".format
        stamp = "TIMESTAMPTZ '2026-01-01' + to_seconds(i), 'guest:' || lpad((i % 20000)::VARCHAR, 32, '0')"
        person = "'guest:' || lpad((i % 20000)::VARCHAR, 32, '0')"
        turn = id("'t' || lpad({}::VARCHAR, 9, '0')").format
        made = id("'x' || lpad(i::VARCHAR, 9, '0')")
        con.execute(f"""INSERT INTO conversations SELECT {id("'c' || i")}, {person}, 'chat', 'a title', {stamp}
            FROM range({examples * 8}) t(i)""")
        con.execute(f"""INSERT INTO consents SELECT {id("'s' || i")}, {person}, NULL, 'yes', {stamp}
            FROM range({PEOPLE}) t(i)""")
        certain = "(-(hash(i) % 1000)::INTEGER / 1500.0)::VARCHAR"
        details = f"""'{{"mean_logprob": ' || {certain} || ', "total_ms": 412}}'"""
        con.execute(f"""INSERT INTO turns SELECT {turn("i")}, {id("'c' || (i // 5)")},
            CASE WHEN i % 2 = 1 THEN {turn("(i - 1)")} END,
            CASE WHEN i % 2 = 1 THEN 'assistant' ELSE 'user' END, {question}, 'complete',
            CASE WHEN i % 2 = 1 THEN 'v1' END, 'page', CASE WHEN i % 2 = 1 THEN {details} ELSE '{{}}' END, {stamp}
            FROM range({examples * TURNS_OF_EXAMPLE}) t(i)""")
        con.execute(f"""INSERT INTO feedback SELECT {id("'f' || lpad(i::VARCHAR, 9, '0')")},
            {turn("(i * 5 // 2 * 2 + 1)")}, CASE WHEN i % 3 = 0 THEN 'up' ELSE 'down' END, '[]', '', {stamp}
            FROM range({examples * THUMBS_OF_EXAMPLE}) t(i)""")
        con.execute(f"""INSERT INTO examples SELECT {made}, {turn("(i * 40 + 1)")}, {id("'c' || (i * 8)")},
            '[{{"role": "user", "content": "' || {question} || '"}}]', {question}, 'v1', NULL, 'chat',
            md5(i::VARCHAR), {stamp} FROM range({examples}) t(i)""")
        for letter, kind, which in (("e", "proposed", "true"), ("g", "approved", "i % 2 = 0")):
            con.execute(f"""INSERT INTO example_events
                (id, example_id, kind, provenance, completion, reasons, comment, created, created_by)
                SELECT {id(f"'{letter}' || lpad(i::VARCHAR, 9, '0')")}, {made}, '{kind}',
                CASE WHEN i % 3 = 0 THEN 'thumb' ELSE 'correction' END, {question} || ' corrected',
                CASE WHEN i % 2 = 0 THEN '["wrong_fact"]' ELSE '[]' END, '', {stamp}
                FROM range({examples}) t(i) WHERE {which}""")
        con.execute("UPDATE example_events SET created_by = 'local:reviewer:bob' WHERE kind = 'approved'")


def measured(db: Database, rounds: int) -> dict[str, Any]:
    """Milliseconds, median and 95th percentile, of what a reviewer does."""
    examples = ExampleStore(db)
    store, leases = QueueStore(db), Leases()
    queue = Queue(store)
    eyes = SecondEyes(db, examples, queue, 0.1)
    guard = Guard(examples, Limits(), lambda person: person.startswith("guest:"), tuple)
    curation = Curation(examples, ConversationStore(db), ChatTask(), Rules, None, guard, leases, eyes)
    inbox = Inbox(queue, store, curation, TagStore(db), leases, eyes, DatasetStore(db), VersionStore(db))
    began = time.perf_counter()
    first = inbox.page(ANN, Filters())
    figures: dict[str, Any] = {"first page (everything is read)": round(1000 * (time.perf_counter() - began), 1)}
    at = [first]

    def after() -> None:
        at[0] = inbox.page(ANN, Filters(), after=at[0].after)

    figures["page, by value"] = timed(lambda: inbox.page(ANN, Filters()), rounds)
    figures["next page, by value"] = timed(after, rounds)
    figures["page, newest"] = timed(lambda: inbox.page(ANN, Filters(), "newest"), rounds)
    figures["page, filtered"] = timed(
        lambda: inbox.page(ANN, Filters(rating="down", reason="wrong_fact", version="v1", provenance="correction")),
        rounds,
    )
    figures["search"] = timed(lambda: inbox.page(ANN, Filters(text="refund invoice")), rounds)
    second = inbox.page(ANN, Filters(), after=first.after)
    waiting = iter([entry.id for page in (first, second) for entry in page.entries])

    def opened_next() -> Example:
        # As on the page: what is decided was opened before.
        return inbox.open(ANN, next(waiting)).example

    def decide(seen: Example) -> None:
        curation.approve(ANN, seen.id, completion=seen.completion, expected_event=seen.event_id)

    oldest = iter([entry.id for entry in inbox.page(ANN, Filters(), "oldest").entries])
    figures["item"] = timed(lambda: inbox.open(ANN, next(oldest)), min(rounds, 50))
    figures["decision stored"] = timed(decide, min(rounds, 50), opened_next)
    figures["decision stored, not opened before"] = timed(lambda: curation.approve(ANN, next(waiting)), 20)

    def decide_and_page() -> None:
        entry = inbox.page(ANN, Filters()).entries[0]
        curation.approve(ANN, entry.id)

    figures["decision and the next page"] = timed(decide_and_page, min(rounds, 50))
    return figures


def timed(act: Callable[..., Any], rounds: int, before: Callable[[], Any] | None = None) -> dict[str, float]:
    """Of the act alone, which is given what `before` returns; the processor's time of all threads beside it."""
    taken, worked = [], []
    for _ in range(rounds):
        given = (before(),) if before else ()
        began, cpu = time.perf_counter(), time.process_time()
        act(*given)
        taken.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - cpu))
    taken.sort()
    p95 = taken[int(0.95 * len(taken))]
    return {
        name: round(ms, 1)
        for name, ms in (
            ("median", statistics.median(taken)),
            ("p95", p95),
            ("cpu", statistics.median(worked)),
        )
    }


if __name__ == "__main__":
    main()
