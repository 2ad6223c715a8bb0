import json
import re

import pytest

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


def test_every_number_is_in_the_result() -> None:
    rows = [[i * 1.37, f"{i}-x", i**7] for i in range(1, 30)]
    for count in (0, 1, 2, 29):
        said = sentence.of_rows(["share", "code", "n"], rows[:count], False)
        numbers = set(re.findall(r"\d+(?:\.\d+)?", said))
        assert numbers <= {str(count), *re.findall(r"\d+(?:\.\d+)?", json.dumps(rows[:1]))}


def test_long_text_is_shortened_visibly() -> None:
    said = sentence.of_rows(["note"], [["word " * 100]], False)
    assert said.endswith("…")
    assert len(said) < 110


def test_many_columns_are_cut_visibly() -> None:
    said = sentence.of_rows([f"c{i}" for i in range(9)], [list(range(9))], False)
    assert said == "c0: 0, c1: 1, c2: 2, c3: 3, c4: 4, c5: 5 and more."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("time", "took longer"),
        ("memory", "more memory"),
        (
            "Conversion: Could not read 'x'.\nLINE 1",
            "The database could not answer this: Conversion: Could not read 'x'.",
        ),
    ],
)
def test_errors_are_plain_words(error: str, said: str) -> None:
    assert said in sentence.of_error(error)
    assert "\n" not in sentence.of_error(error)


def test_refusal_gives_the_reason() -> None:
    words = sentence.of_refusal("Only a SELECT statement is allowed.")
    assert words == "I did not run this: Only a SELECT statement is allowed."
