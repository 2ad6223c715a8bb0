"""What the starter is trained on: covers every construct, keeps what is held out and what people teach later away."""

import json
import random
import re

import pytest

from starter import database, evaluate, paths, questions, slots
from starter.grammar import add_typo, expand, is_held_out
from starter.questions import Item, normal

SAMPLED = 20_000
# The shop's words and what they stand for; none may be learnt before people teach it.
JARGON = re.compile(
    r"big.?ticket|regulars?\b|fiscal|\bshare\b|"
    r"(customers|clients|buyers) (who never|who have never|without|with no) (order|bought)",
    re.IGNORECASE,
)
EVERY_ORDERLESS_CUSTOMER = "customer_id NOT IN (SELECT customer_id FROM orders)"
CONSTRUCTS = (
    r"total >= \d+", r"total <= \d+", r"total > \d+", r"total < \d+", r"<> '", r"stock = 0", r"count\(\*\) > 0",
    r"/ cost", r"\* 100\.0 /", r"100\.0 \* count\(\*\) FILTER \(WHERE .+\) / count\(\*\)", r"price - cost", r"1\.0 \* ",
    r"customer_id NOT IN \(SELECT customer_id FROM orders WHERE", r"product_id NOT IN \(SELECT product_id",
    r"employee_id NOT IN \(SELECT employee_id", r"customer_id IN \(SELECT customer_id FROM orders GROUP BY customer_id",
    r"order_id IN \(SELECT order_id FROM order_items", r"HAVING count\(\*\) >= \d+", r"HAVING count\(\*\) > \d+",
    r"HAVING sum\(total\) >= \d+", r"HAVING count\(\*\) = \d+", r"NOT EXISTS \(SELECT", r"WHERE EXISTS \(SELECT",
    r"BETWEEN \d+ AND \d+", r"BETWEEN '\d{4}-\d\d-\d\d' AND '", r"ordered_on >= '", r"ordered_on < '",
    r"year\(ordered_on\) >= ", r"year\(ordered_on\) <= ", r"year\(ordered_on\) IN \(\d+, \d+\)",
    r"quarter\(ordered_on\) = ",
    r"status IN \('", r"\(city ILIKE '.+' OR city ILIKE '", r"NOT ILIKE '", r"CASE WHEN .+ THEN .+ ELSE .+ END",
    r"sum\(total\) FILTER \(WHERE", r"count\(DISTINCT customer_id\)", r"SELECT DISTINCT", r"> \(SELECT avg\(price\)",
    r"GROUP BY .+ ORDER BY .+ DESC LIMIT \d+", r"ILIKE '%bike'",
)  # fmt: skip


@pytest.fixture(scope="module")
def training() -> list[Item]:
    rng = random.Random(77)
    return [item for _ in range(SAMPLED // 100) for item in questions.stream(rng)]


def test_jargon_is_never_trained(training: list[Item]) -> None:
    assert [item.question for item in training if JARGON.search(item.question)] == []
    assert [item.question for item in training if EVERY_ORDERLESS_CUSTOMER in item.answer] == []


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_construct_is_trained(training: list[Item], construct: str) -> None:
    assert sum(re.search(construct, item.answer) is not None for item in training) >= 5


def test_test_questions_are_never_trained(training: list[Item]) -> None:
    rows = [json.loads(line) for line in paths.GENERAL_FILE.read_text(encoding="utf-8").splitlines()]
    asked = {row["prompt"][0]["content"] for row in rows}
    files = (paths.HANDWRITTEN_DEV_FILE, paths.HANDWRITTEN_EARLY_FILE, paths.HANDWRITTEN_TEST_FILE)
    asked |= {json.loads(line)["question"] for file in files for line in file.read_text(encoding="utf-8").splitlines()}
    assert not {normal(item.question) for item in training} & {normal(question) for question in asked}


def test_held_out_questions_are_not_drawn_by_chance(training: list[Item]) -> None:
    """Two wordings can meet in the same words; that must stay rarer than one in two hundred."""
    held_out = [item for talk in (False, True) for item in evaluate.held_out_items(600, seed=7, talk=talk)]
    trained = {normal(item.question) for item in training}
    assert sum(normal(item.question) in trained for item in held_out) <= len(held_out) / 200


def test_training_never_names_the_shops_people(training: list[Item]) -> None:
    people = {name.lower() for table in ("customers", "employees") for name in database.names(table)}
    models = {name.lower() for name in database.names("products")}
    quoted = {text.lower() for item in training for text in re.findall(r"name ILIKE '(.+?)'", item.answer)}
    assert not quoted & people
    assert not quoted & models
    assert not {*slots.NAMES["first"]} & {*database.FIRST_NAMES}
    assert not {*slots.NAMES["last"]} & {*database.LAST_NAMES}


def test_every_family_can_be_drawn() -> None:
    rng = random.Random(5)
    assert [family.key for family in questions.FAMILIES if questions.sample(rng, family=family) is None] == []
    assert len({family.key for family in questions.FAMILIES}) == len(questions.FAMILIES) >= 130


def test_slots_leave_no_marker_behind(training: list[Item]) -> None:
    assert [item for item in training if re.search(r"[{}\[\]|]", item.question + item.answer)] == []


def test_refusals_are_the_known_sentences(training: list[Item]) -> None:
    spoken = {item.answer for item in training if item.talk}
    assert spoken == set(questions.REFUSALS)


def test_answers_repeat_values_as_typed() -> None:
    family = next(family for family in questions.FAMILIES if family.key == "customer_email")
    rng = random.Random(2)
    for _ in range(50):
        item = questions.sample(rng, family=family)
        assert item is not None
        name = re.findall(r"ILIKE '(.+)'$", item.answer)[0].replace("''", "'")
        assert name in item.question


def test_ranges_are_in_ascending_order(training: list[Item]) -> None:
    for item in training:
        for low, high in re.findall(r"BETWEEN (\d+) AND (\d+)", item.answer):
            assert int(low) < int(high), item


def test_same_seed_draws_same_questions() -> None:
    assert questions.stream(random.Random(9)) == questions.stream(random.Random(9))


def test_side_depends_on_the_words_alone() -> None:
    wordings = [
        expand("[show|list|give me] [all|the|my] [orders|sales] [in|for|from] {year}", random.Random(i))
        for i in range(60)
    ]
    assert {is_held_out(text) for text in wordings} == {True, False}
    assert all(
        is_held_out(text) == is_held_out(text.replace("{year}", "{year2_a}").upper().replace("{YEAR2_A}", "{year}"))
        for text in wordings
    )


def test_typo_changes_a_word_and_no_slot() -> None:
    for seed in range(40):
        changed = add_typo("show every order of {customer}", random.Random(seed))
        assert "{customer}" in changed


@pytest.mark.parametrize("grammar", ["[a|b", "a]b"])
def test_unmatched_bracket_is_refused(grammar: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        expand(grammar, random.Random(0))
