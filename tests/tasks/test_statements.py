import pytest

from flywheel.tasks.statements import is_ordered, looks_like_sql, same_rows, same_words


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1", "select name from customers", "  (SELECT 1) UNION (SELECT 2)", "WITH a AS (SELECT 1) FROM a",
        "with recursive t(n) as (select 1) select * from t", "FROM orders", "VALUES (1)", "DROP TABLE orders",
        "create or replace temp table x as select 1", "DELETE FROM orders", "UPDATE orders SET total = 0",
        "INSERT INTO orders VALUES (1)", "SELCT count(*) FROM orders", "-- note\nSELECT 1", "/* a */ select 1",
        "ATTACH 'x.db'", "COPY orders TO 'x'", "PRAGMA version", "INSTALL httpfs;", "SET threads = 1",
    ],
)  # fmt: skip
def test_statements_are_seen(text: str) -> None:
    assert looks_like_sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can only answer questions about the bike shop's database.", "Hello! Ask me about orders.", "", "42",
        "With pleasure! What do you want to know?", "Update: I cannot change data.", "Sorry, I do not drop tables.",
        "Set your mind at rest.", "I took that from the orders table.", "Delete requests are refused.",
        "Values matter.", "Create your own account first.", "As in 'SELECT x FROM y', I read only.",
    ],
)  # fmt: skip
def test_words_are_words(text: str) -> None:
    assert not looks_like_sql(text)


def test_a_page_of_blanks_is_judged_at_once() -> None:
    """It took a minute when each blank was tried as the end of the blanks: this test would not come back."""
    assert not looks_like_sql(" " * 200_000 + "hello")
    assert looks_like_sql("(" * 1_000 + " " * 200_000 + "SELECT 1")


@pytest.mark.parametrize(
    ("statement", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order  by a limit 3", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)", False),
        ("SELECT rank() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM t WHERE b = 'order by'", False),
        ("SELECT a FROM t -- ORDER BY a", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) ORDER BY 1", True),
    ],
)
def test_order_of_the_statement_itself(statement: str, ordered: bool) -> None:
    assert is_ordered(statement) is ordered


def test_rows_are_a_multiset_without_order() -> None:
    assert same_rows([[1], [2], [2]], [[2], [1], [2]], ordered=False)
    assert not same_rows([[1], [2], [2]], [[1], [1], [2]], ordered=False)
    assert not same_rows([[1], [2], [2]], [[1], [2]], ordered=False)


def test_order_counts_where_asked() -> None:
    assert not same_rows([[1], [2]], [[2], [1]], ordered=True)
    assert same_rows([[1], [2]], [[1], [2]], ordered=True)


def test_column_order_counts() -> None:
    assert not same_rows([[1, 2]], [[2, 1]], ordered=False)
    assert not same_rows([[1, 2]], [[1]], ordered=False)


def test_numbers_agree_to_a_millionth() -> None:
    assert same_rows([[1_000_000.4]], [[1_000_000]], ordered=False)
    assert same_rows([[0.1 + 0.2, "a"]], [[0.3, "a"]], ordered=False)
    assert not same_rows([[1_000_002.0]], [[1_000_000]], ordered=False)
    assert not same_rows([[1.00001]], [[1.0]], ordered=False)


def test_close_numbers_that_round_apart_agree() -> None:
    low, high = 1.2345675 - 4e-8, 1.2345675 + 4e-8
    assert same_rows([[low, "b"], [5, "a"]], [[5, "a"], [high, "b"]], ordered=False)


def test_whole_numbers_are_compared_exactly() -> None:
    assert not same_rows([[1_000_001]], [[1_000_000]], ordered=False)
    assert not same_rows([[10**16 + 1]], [[10**16]], ordered=False)
    assert same_rows([[42]], [[42.0]], ordered=False)


def test_kinds_of_values_differ() -> None:
    assert not same_rows([[True]], [[1]], ordered=False)
    assert not same_rows([["10001"]], [[10001]], ordered=False)
    assert not same_rows([[None]], [[0]], ordered=False)
    assert not same_rows([[""]], [[None]], ordered=False)
    assert same_rows([[None, None]], [[None, None]], ordered=True)


def test_words_ignore_case_and_marks() -> None:
    assert same_words("I can only read.", "i can  only read")
    assert not same_words("I can read.", "I cannot read.")
