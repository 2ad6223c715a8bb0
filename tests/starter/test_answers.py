"""An answer is right when it returns what the reference returns."""

from collections.abc import Iterator

import pytest

from starter.answers import Shop, is_sql


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as opened:
        yield opened


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("SELECT count(order_id) FROM orders", "SELECT count(*) FROM orders", True),
        ("SELECT count(*) FROM stores", "SELECT count(*) FROM orders", False),
        ("SELECT name FROM stores ORDER BY name", "SELECT name FROM stores", True),
        ("SELECT name FROM stores ORDER BY name DESC", "SELECT name FROM stores ORDER BY name", False),
        ("SELECT city FROM customers", "SELECT DISTINCT city FROM customers", False),
        ("SELECT nothing FROM stores", "SELECT name FROM stores", False),
        ("I can not", "SELECT name FROM stores", False),
        ("I can not", "I can not", True),
        ("SELECT avg(price) * 1.0 FROM products", "SELECT avg(price) FROM products", True),
    ],
)
def test_results_decide(shop: Shop, answer: str, gold: str, right: bool) -> None:
    assert shop.is_right(answer, gold) is right


def test_endless_statement_is_stopped(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    monkeypatch.setattr("starter.answers.SECONDS", 0.2)
    endless = "SELECT count(*) FROM orders a, orders b, orders c, orders d WHERE a.total + b.total > c.total + d.total"
    assert shop.result(endless) is None


def test_shop_cannot_be_written(shop: Shop) -> None:
    assert shop.result("DELETE FROM orders") is None
    assert shop.result("SELECT count(*) FROM orders") == [(1500,)]


@pytest.mark.parametrize(
    ("text", "sql"), [("  select 1", True), ("WITH a AS (SELECT 1) FROM a", True), ("Hello!", False)]
)
def test_statements_are_told_from_words(text: str, sql: bool) -> None:
    assert is_sql(text) is sql
