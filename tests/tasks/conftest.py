from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flywheel.tasks.sql_sandbox import SqlSandbox

MARKER = "nobody may read this"
SHOP = f"""
    CREATE TABLE customers AS SELECT i AS id, 'Name ' || i AS name, ['Bern', 'Basel'][1 + i % 2] AS city,
        DATE '2020-01-01' + i::INTEGER AS since FROM range(40) r(i);
    CREATE TABLE orders AS SELECT i AS id, i % 40 AS customer, (i * 1.25)::DECIMAL(10, 2) AS price,
        TIMESTAMP '2026-01-01 00:00:00' + INTERVAL (i) HOUR AS placed, NULL::VARCHAR AS note,
        [i, i + 1] AS items FROM range(1500) r(i);
    CREATE TABLE private AS SELECT '{MARKER}' AS id, '{MARKER}' AS name;
    CREATE SCHEMA other;
    CREATE TABLE other.orders AS SELECT '{MARKER}' AS id;
    CREATE VIEW names AS SELECT name FROM customers;
    CREATE SEQUENCE s;
    CREATE MACRO stolen() AS (SELECT max(id) FROM private);
"""


def make_shop(path: Path) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(SHOP)
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("shop") / "shop.duckdb")


@pytest.fixture(scope="session")
def sandbox(shop: Path) -> Iterator[SqlSandbox]:
    """Over the two tables of the published statements."""
    sandbox = SqlSandbox(shop, ["customers", "orders"], seconds=1.0)
    yield sandbox
    sandbox.close()
