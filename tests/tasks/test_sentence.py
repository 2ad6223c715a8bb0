import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.tasks import sentence


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        (["n"], [], "No rows match."),
        (["n"], [[42]], "The answer is 42."),
        (["n"], [[42.0]], "The answer is 42."),
        (["n"], [[1234.5]], "The answer is 1234.5."),
        (["n"], [[0.1 + 0.2]], "The answer is 0.30000000000000004."),
        (["n"], [[0]], "The answer is 0."),
        (["n"], [[None]], "The answer is empty: there is no value."),
        (["ok"], [[True]], "The answer is yes."),
        (["name"], [["Trek 520"]], "The answer is Trek 520."),
        (["name", "total"], [["Trek", 12]], "name: Trek, total: 12."),
        (["name"], [["Ann"], ["Bob"]], "2 rows; the first: Ann."),
        (["name", "n"], [["Ann", 3]] * 12, "12 rows; the first: name: Ann, n: 3."),
        (["a", "b"], [[None, False]], "a: nothing, b: no."),
    ],
)
def test_results_are_said_plainly(columns: list[str], rows: list[list[object]], said: str) -> None:
    assert sentence.of_rows(columns, rows, False) == said


def test_cut_result_is_said_to_be_cut() -> None:
    assert sentence.of_rows(["n"], [[7]] * 1000, True) == "More than 1000 rows; the first: 7."
    assert sentence.of_rows(["n"], [[7]], True) == "More than 1 rows; the first: 7."


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.sampled_from("ab 0123456789.,-"), max_size=120),
)  # fmt: skip
RESULTS = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=5)
)


@given(RESULTS, st.booleans())
def test_every_number_is_in_the_result(rows: list[list[object]], truncated: bool) -> None:
    said = sentence.of_rows([f"{'abcdefgh'[i]}" for i in range(len(rows[0]) if rows else 1)], rows, truncated)
    held = {float(n) for row in rows for value in row for n in numbers(value)}
    assert {float(n) for n in numbers(said)} <= {float(len(rows)), *held}


def numbers(value: object) -> list[str]:
    """The numbers written in a value, without the signs that may belong to the sentence."""
    return re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", str(value))


def test_long_text_is_shortened_visibly() -> None:
    said = sentence.of_rows(["note"], [["word " * 100]], False)
    assert said.endswith("…")
    assert len(said) < 110


def test_many_columns_are_cut_visibly() -> None:
    said = sentence.of_rows([f"c{i}" for i in range(9)], [list(range(9))], False)
    assert said == "c0: 0, c1: 1, c2: 2, c3: 3, c4: 4, c5: 5 and more."


def test_refusal_gives_the_reason() -> None:
    words = sentence.of_refusal("Only a SELECT statement is allowed.")
    assert words == "I did not run this: Only a SELECT statement is allowed."


@pytest.mark.parametrize("digits", ["123456789", "1,234,567.89", "-123456789"])
def test_number_is_never_cut_in_its_middle(digits: str) -> None:
    for before in range(sentence.MOST_CELL - len(digits), sentence.MOST_CELL):
        shown = sentence.cell("x" * before + digits)
        assert shown.endswith(digits) or not re.search(r"\d", shown)
