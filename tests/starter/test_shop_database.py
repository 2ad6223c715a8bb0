"""The sample database is the same on every machine and is what the README says it is."""

import re
from pathlib import Path

import duckdb
import pytest

from starter import database, paths

Rows = dict[str, list[tuple[object, ...]]]


def contents(path: Path) -> tuple[dict[str, list[str]], Rows]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        listed = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column in listed:
        columns.setdefault(table, []).append(column)
    return columns, rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], Rows]:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    database.build(path)
    return contents(path)


def test_build_gives_the_same_rows(shop: tuple[dict[str, list[str]], Rows], tmp_path: Path) -> None:
    path = tmp_path / "again.duckdb"
    path.write_text("something that lay there before")
    database._tables.cache_clear()
    database.build(path)
    assert contents(path)[1] == shop[1]


def test_shop_has_the_promised_size(shop: tuple[dict[str, list[str]], Rows]) -> None:
    counts = {table: len(rows) for table, rows in shop[1].items()}
    assert counts.pop("order_items") > 2000
    assert counts == {"stores": 5, "employees": 30, "customers": 220, "products": 72, "orders": 1500}


def test_readme_documents_every_column(shop: tuple[dict[str, list[str]], Rows]) -> None:
    readme = (paths.STARTER_DIR / "README.md").read_text(encoding="utf-8")
    documented = {
        table: re.findall(r"\w+", columns) for table, columns in re.findall(r"^\| `(\w+)` \| (.+?) \|", readme, re.M)
    }
    assert documented == shop[0]


def test_totals_are_the_sum_of_their_items(shop: tuple[dict[str, list[str]], Rows]) -> None:
    sums: dict[object, float] = {}
    for order, _, quantity, price in shop[1]["order_items"]:
        sums[order] = sums.get(order, 0) + int(str(quantity)) * float(str(price))
    assert all(abs(sums[row[0]] - float(str(row[6]))) < 0.01 for row in shop[1]["orders"])


def test_names_are_those_in_the_tables(shop: tuple[dict[str, list[str]], Rows]) -> None:
    for table in ("customers", "employees", "products", "stores"):
        assert database.names(table) == [row[1] for row in shop[1][table]]
