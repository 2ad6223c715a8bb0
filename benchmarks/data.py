"""Importing and freezing many rows: seconds by the clock, CPU seconds of this process, and memory.

`python -m benchmarks.data [--rows 10000 100000] [--task sql|chat] [--approved] [--freeze] [--json]`. The rows are
questions of many wordings with statements about the sample shop, no two alike; tokens are those of the starter.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from flywheel.datasets import Datasets
from flywheel.guarding import Guard, Limits
from flywheel.imports import Importer, import_file
from flywheel.roles import Principal, Role
from flywheel.serving.texts import Texts
from flywheel.tasks.build import Task, sample_database
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from flywheel.validity import Rules
from storage.database import Database
from storage.datasets import DatasetStore
from storage.examples import ExampleStore
from storage.home import Home

OWNER = Principal("local:owner", Role.OWNER)
WHAT = ("orders", "customers", "stores", "employees", "bikes", "helmets", "locks", "returns", "repairs", "invoices")
HOW = ("how many", "show all", "count the", "list the", "what are the", "give me the", "which", "find the", "number of")
WHERE = (
    "in the north",
    "of last year",
    "from the old town",
    "by region",
    "over the counter",
    "with a discount",
    "late",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--task", choices=("sql", "chat"), default="sql")
    parser.add_argument("--approved", action="store_true", help="import as approved: SQL is executed")
    parser.add_argument("--freeze", action="store_true", help="freeze them too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            found = measured(Path(folder), rows, options)
        print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


def measured(folder: Path, rows: int, options: argparse.Namespace) -> dict[str, Any]:
    """One home, `rows` rows."""
    home = Home.open(folder / "home")
    database = Database.open(home.database, home.ledger_tail)
    examples, datasets = ExampleStore(database), DatasetStore(database)
    task: Task = ChatTask("Be kind.")
    if options.task == "sql":
        task = SqlTask(SqlSandbox(sample_database(home)), system_prompt="", single_turn=True, examples=())
    rules = starter_rules()
    path = folder / "rows.jsonl"
    path.write_text("".join(lines(rows)))
    told: dict[str, Any] = {"rows": rows, "task": options.task, "approved": options.approved}
    importer = Importer(examples, task, lambda: rules)
    with Clock(told, "import"):
        report = import_file(importer, OWNER, path, approved=options.approved or options.freeze)
    assert report.added == rows, report.bad[:3]
    if options.task == "sql" and options.approved:
        alone = bare(sample_database(home), path)
        told |= {"bare_loop_s": round(alone, 1), "import_to_bare_loop": round(told["import_s"] / alone, 2)}
    if options.freeze:
        frozen = Datasets(
            datasets, examples, task, home, lambda: rules, Guard(examples, Limits(), lambda id: False, list)
        )
        with Clock(told, "freeze"):
            version = frozen.freeze(OWNER).version
        told["frozen"] = sum(version.counts.values())
    database.close()
    task.close()
    return told | {"peak_mb": _peak_mb()}


def bare(database: Path, path: Path) -> float:
    """The limit: seconds in which the engine runs the statements one after the other and nothing else is done."""
    statements = [json.loads(line)["completion"] for line in path.open()]
    with duckdb.connect(str(database), read_only=True, config={"threads": "1"}) as connection:
        began = time.perf_counter()
        for statement in statements:
            connection.execute(statement).fetchall()
        return time.perf_counter() - began


class Clock:
    """Writes seconds by the clock and CPU seconds, of this process and of children that ended, into `told`."""

    def __init__(self, told: dict[str, Any], name: str) -> None:
        self._told, self._name = told, name

    def __enter__(self) -> None:
        self._began, self._cpu, self._sandboxes = time.perf_counter(), time.process_time(), _ended_children()

    def __exit__(self, *args: object) -> None:
        self._told[f"{self._name}_s"] = round(time.perf_counter() - self._began, 1)
        self._told[f"{self._name}_cpu_s"] = round(time.process_time() - self._cpu, 1)
        self._told[f"{self._name}_sandbox_cpu_s"] = round(_ended_children() - self._sandboxes, 1)
        # Should the next part be cut short, this one is known.
        print(f"{self._name}: {self._told}, peak {_peak_mb()} MB", file=sys.stderr, flush=True)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines(rows: int) -> Iterator[str]:
    """The same file each time."""
    chance = random.Random(0)
    for number in range(rows):
        words = f"{chance.choice(HOW)} {chance.choice(WHAT)} {chance.choice(WHERE)}"
        question = f"{words} {chance.choice(WHERE)} {number} and {chance.randrange(rows)} or {chance.randrange(99)}"
        completion = f"SELECT count(*) FROM orders WHERE total > {number}"
        yield json.dumps({"prompt": question, "completion": completion}) + "\n"


def starter_rules() -> Rules:
    """The starter's limits, with its real tokenizer."""
    from transformers import AutoTokenizer

    from starter import paths

    texts = Texts(AutoTokenizer.from_pretrained(paths.MODEL_DIR), threading.Lock())

    def count(prompt: list[dict[str, str]], completion: str) -> int:
        return texts.counts([[*prompt, {"role": "assistant", "content": completion}]])[0]

    return Rules(("<|im_start|>", "<|im_end|>"), 512, count, texts)


if __name__ == "__main__":
    main()
