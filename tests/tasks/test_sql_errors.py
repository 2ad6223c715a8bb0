"""What the real database says about wrong statements, in the words people read."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flywheel.tasks import sql_errors
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from flywheel.words.catalogue import say
from starter import database as shop

CUSTOMERS = "`customer_id`, `name`, `email`, `city` and `joined_on`"
SAID = {  # statement → sentence
    "SELECT nme FROM customers": f"There is no column `nme` in `customers`; it has {CUSTOMERS}.",
    "SELECT c.nme FROM customers AS c": f"There is no column `nme` in `customers`; it has {CUSTOMERS}.",
    "SELECT customers.stock FROM customers": f"There is no column `stock` in `customers`; it has {CUSTOMERS}. "
    "`stock` is a column of `products`.",
    "SELECT stock FROM customers c JOIN stores s ON c.city = s.city": "There is no column `stock` in `customers` or "
    f"`stores`; `customers` has {CUSTOMERS}; `stores` has `store_id`, `name`, `city` and `opened_on`. "
    "`stock` is a column of `products`.",
    "SELECT email FROM (SELECT name FROM customers)": "The column `email` of `customers` cannot be used at this place "
    "of the query.",
    "WITH a AS (SELECT 1 AS x) SELECT y FROM a": "There is no column `y` at this place of the query.",
    "SELECT x.name FROM customers c": "The query speaks of `x` and does not read such a table. It reads `customers`.",
    "SELECT customer_id FROM orders o JOIN customers c ON o.customer_id = c.customer_id": "`customer_id` is in more "
    "than one of the tables read. It has to say which: `o.customer_id` or `c.customer_id`.",
    "SELECT * FROM customers c JOIN stores c ON true": "The query reads two tables under the one name `c`. "
    "Each needs a name of its own.",
    "SELECT name, count(*) FROM customers": "`name` has many values where the query needs one. "
    "It has to be grouped by `name`, or summed up.",
    "SELECT * FROM customers WHERE name > 3": "This compares text with a number, which cannot be compared as they are.",
    "SELECT * FROM orders WHERE ordered_on > 3": "This compares a date with a number, which cannot be compared as "
    "they are.",
    "SELECT sum(name) FROM customers": "`sum` cannot be used on text.",
    "SELECT name + 1 FROM customers": "The sign `+` cannot be used on text and a number.",
    "SELECT strftime('%Y', name) FROM customers": "`strftime` cannot be used on text and text.",
    "SELECT CAST('x' AS INTEGER)": "`x` cannot be read as a number.",
    "SELECT 1 % 0": "This divides by zero.",
    "SELECT date '2020-13-01'": "`2020-13-01` is a date that does not exist.",
    "SELECT CAST('soon' AS DATE)": "`soon` is no date. Dates are written YYYY-MM-DD.",
    "SELECT 9223372036854775807 + 1": "A number became too large to compute with.",
    "SELECT count(*) FROM customers WHERE count(*) > 1": "Sums and counts cannot be used after `WHERE`; "
    "conditions on them come after `HAVING`.",
    "SELECT sum(count(*)) FROM customers": "A sum or a count cannot be made of another one.",
    "SELECT name FROM customers UNION SELECT 1, 2": "The parts of this query that are put together have different "
    "numbers of columns.",
    "SELECT (SELECT name FROM customers)": "A part of the query gives many rows where one is needed.",
    "SELECT name FROM customers ORDER BY 5": "This orders by a column that the result does not have.",
    "SELECT name FROM customers LIMIT -1": "This asks for fewer than zero rows.",
    "SELECT count(*) FROM range(100000000000) a": say("refusal.time"),
    "SELECT repeat('x', 1000000000) || repeat('y', 1000000000)": say("refusal.memory"),
    "DELETE FROM orders": "I did not run this: it does more than read. Questions only read the data (one `SELECT`); "
    "nothing is changed.",
    "SELECT * FROM secrets": "I did not run this: there is no table `secrets` that may be asked. There are "
    "`customers`, `employees`, `orders`, `order_items`, `products` and `stores`.",
    "SELECT name FRM customers": "I did not run this: it is no complete SQL statement "
    '(syntax error at or near "customers").',
}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlTask]:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    shop.build(path)
    task = SqlTask(SqlSandbox(path, seconds=0.5), system_prompt="", single_turn=True, examples=[])
    yield task
    task.close()


@pytest.mark.parametrize("statement", SAID)
def test_errors_are_told_in_plain_words(task: SqlTask, statement: str) -> None:
    assert task.outcome(statement).sentence == SAID[statement]


def test_strange_names_are_told_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "odd.duckdb"
    with duckdb.connect(str(path)) as made:
        columns = ", ".join(f'"c{i}" INTEGER' for i in range(40))
        made.execute(f'CREATE TABLE "Wide" ({columns}, "a ""b""" INTEGER)')
    task = SqlTask(SqlSandbox(path), system_prompt="", single_turn=True, examples=[])
    said = task.outcome('SELECT missing FROM "wide"').sentence
    assert said.startswith("There is no column `missing` in `Wide`; it has `c0`, `c1`")
    assert said.endswith("`c11` and 29 more.")
    task.close()


def test_what_nobody_translated_stays_the_databases_own() -> None:
    said = sql_errors.explain("Something nobody foresaw.\nLINE 1", "SELECT 1", {})
    assert said == "The database could not answer this: Something nobody foresaw."
