"""The task over the real sandbox and the sample shop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.tasks.sql import SqlTask, schema_prompt
from flywheel.tasks.sql_sandbox import SqlSandbox
from starter import database


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    database.build(path)
    return path


@pytest.fixture(scope="module")
def task(shop: Path) -> Iterator[SqlTask]:
    task = SqlTask(SqlSandbox(shop), system_prompt="", single_turn=True, examples=["How many orders?"])
    yield task
    task.close()


def test_statement_is_run_and_said(task: SqlTask) -> None:
    outcome = task.outcome("```sql\nSELECT count(*) FROM orders\n```")
    assert outcome.sql == "SELECT count(*) FROM orders"
    assert outcome.accepted
    assert outcome.rows == [[1500]]
    assert outcome.sentence == "The answer is 1500."


def test_words_are_not_run(task: SqlTask) -> None:
    outcome = task.outcome(" I can only read the database. ")
    assert (outcome.sql, outcome.accepted, outcome.error) == (None, False, None)
    assert outcome.sentence == "I can only read the database."


@pytest.mark.parametrize("attack", ["DROP TABLE orders", "SELECT * FROM read_csv('/etc/passwd')", "SELECT 1; SELECT 2"])
def test_refused_statement_is_not_run(task: SqlTask, attack: str) -> None:
    outcome = task.outcome(attack)
    assert not outcome.accepted
    assert outcome.rows == []
    assert outcome.sentence.startswith("I did not run this: ")


def test_database_error_is_in_words(task: SqlTask) -> None:
    outcome = task.outcome("SELECT nothing_like_it FROM orders")
    assert outcome.accepted
    assert outcome.error is not None
    assert outcome.sentence.startswith("There is no column `nothing_like_it` in `orders`; it has `order_id`, ")


def test_cut_result_says_so(task: SqlTask) -> None:
    outcome = task.outcome("SELECT order_id FROM orders ORDER BY order_id")
    assert outcome.truncated
    assert len(outcome.rows) == 1000
    assert outcome.sentence == "More than 1000 rows; the first: 1."


@pytest.mark.parametrize(
    ("prediction", "reference", "right"),
    [
        ("SELECT count(*) FROM orders", "SELECT count(order_id) AS n FROM orders", True),
        ("SELECT count(*) FROM orders", "SELECT count(*) FROM customers", False),
        ("SELECT name, city FROM stores", "SELECT name, city FROM stores ORDER BY city", False),
        ("SELECT name FROM stores ORDER BY city", "SELECT name FROM stores", True),
        ("SELECT city, name FROM stores", "SELECT name, city FROM stores", False),
        ("SELECT avg(total) FROM orders", "SELECT sum(total) / count(*) FROM orders", True),
        ("I can only read.", "i can only read", True),
        ("I can only read.", "SELECT 1", False),
        ("SELECT 1", "I can only read.", False),
        ("SELECT nope FROM orders", "SELECT 1", False),
        ("DROP TABLE orders", "SELECT 1", False),
        ("SELECT order_id FROM orders", "SELECT order_id FROM orders WHERE order_id <= 1000", False),
    ],
)
def test_right_means_same_result(task: SqlTask, prediction: str, reference: str, right: bool) -> None:
    assert task.correct(prediction, reference) is right


def test_nested_order_is_no_order(task: SqlTask) -> None:
    top = "SELECT name FROM (SELECT name FROM products ORDER BY price LIMIT 3)"
    assert task.correct("SELECT name FROM products ORDER BY price LIMIT 3", top)


@pytest.mark.parametrize(
    ("completion", "blamed"),
    [
        ("SELECT count(*) FROM orders", None),
        ("I can only answer questions about the shop.", None),
        ("DELETE FROM orders", "SELECT"),
        ("SELCT count(*) FROM orders", "SQL"),
        ("SELECT count(*) FROM invoices", "invoices"),
        ("SELECT colour FROM orders", "colour"),
    ],
)
def test_what_cannot_be_approved_says_why(task: SqlTask, completion: str, blamed: str | None) -> None:
    problem = task.problem([{"role": "user", "content": "q"}], completion)
    assert (problem is None) if blamed is None else blamed in str(problem)


def test_starter_reads_the_last_question_alone(task: SqlTask) -> None:
    history = [{"role": role, "content": role} for role in ("user", "assistant")]
    last = {"role": "user", "content": "and in 2024?"}
    assert task.messages([*history, last]) == [last]


def test_other_models_are_told_the_tables(shop: Path) -> None:
    sandbox = SqlSandbox(shop)
    prompt = schema_prompt(sandbox.tables())
    task = SqlTask(sandbox, system_prompt=prompt, single_turn=False, examples=[])
    history = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    sent = task.messages(history)
    task.close()
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert "orders(order_id INTEGER," in sent[0]["content"]


def test_correction_is_the_bare_statement(task: SqlTask) -> None:
    assert task.completion("```sql\nSELECT 1\n```\n") == "SELECT 1"
    assert task.completion("  I cannot. ") == "I cannot."


def test_lost_database_is_said(tmp_path: Path, shop: Path) -> None:
    moved = tmp_path / "shop.duckdb"
    moved.write_bytes(shop.read_bytes())
    task = SqlTask(SqlSandbox(moved), system_prompt="", single_turn=True, examples=[])
    moved.unlink()
    outcome = task.outcome("SELECT 1")
    task.close()
    assert not outcome.accepted
    assert "shop.duckdb" in outcome.sentence
