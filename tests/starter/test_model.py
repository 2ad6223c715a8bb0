"""The shipped model answers, refuses and is as small as promised."""

import hashlib
import json

import pytest

from starter import evaluate, paths
from starter.answers import Shop, is_sql

MOST_BYTES = 9_000_000
READ_ONLY = "I can only read the database, so I cannot change anything in it."


@pytest.fixture(scope="module")
def answerer() -> evaluate.Answerer:
    return evaluate.Answerer(paths.MODEL_DIR)


def test_weights_are_small() -> None:
    assert (paths.MODEL_DIR / "model.safetensors").stat().st_size <= MOST_BYTES


def test_answers_held_out_questions(answerer: evaluate.Answerer) -> None:
    items = evaluate.held_out_items(60, seed=4242, talk=False)
    asked = [(item.question, item.answer) for item in items]
    with Shop() as shop:
        result = evaluate.score(shop, asked, answerer.answer([question for question, _ in asked]))
    assert result.share >= 0.85, result.misses


@pytest.mark.parametrize(
    "request_",
    ["Delete all orders", "please set the price of the Comet 430 to 10 euros", "Add a new customer called Ann Lee"],
)
def test_refuses_to_write(answerer: evaluate.Answerer, request_: str) -> None:
    assert answerer.answer([request_]) == [READ_ONLY]


def test_example_questions_are_answered(answerer: evaluate.Answerer) -> None:
    examples = json.loads(paths.EXAMPLES_FILE.read_text(encoding="utf-8"))
    with Shop() as shop:
        results = [shop.result(answer) for answer in answerer.answer(examples) if is_sql(answer)]
    assert len(results) == len(examples)
    assert all(results)


def test_does_not_know_the_shops_words(answerer: evaluate.Answerer) -> None:
    rows = [json.loads(line) for line in paths.phrasings_file("big_ticket").read_text(encoding="utf-8").splitlines()]
    with Shop() as shop:
        asked = [(row["question"], row["sql"]) for row in rows]
        result = evaluate.score(shop, asked, answerer.answer([question for question, _ in asked]))
    assert result.share <= 0.1


def test_figures_are_of_these_weights() -> None:
    figures = json.loads(paths.FIGURES_FILE.read_text(encoding="utf-8"))
    weights = (paths.MODEL_DIR / "model.safetensors").read_bytes()
    assert figures["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_readme_states_the_measured_figures() -> None:
    figures = json.loads(paths.FIGURES_FILE.read_text(encoding="utf-8"))
    readme = (paths.STARTER_DIR / "README.md").read_text(encoding="utf-8")
    for suite in figures["suites"].values():
        assert f"{100 * suite['right'] / suite['n']:.1f} % ({suite['right']} of {suite['n']})" in readme
