"""Pre-training, fine-tuning and serving render a question alike, to the token."""

import random

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from starter import paths, questions
from starter.tokenizer import END, render_prompt

Message = dict[str, str]


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(paths.MODEL_DIR)


def test_rows_render_as_in_pretraining(words: PreTrainedTokenizerBase) -> None:
    rng = random.Random(4)
    for item in questions.stream(rng) + questions.stream(rng, held_out=True):
        prompt: list[Message] = [{"role": "user", "content": item.question}]
        completion: list[Message] = [{"role": "assistant", "content": item.answer}]
        shown = words.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        whole = words.apply_chat_template(prompt + completion, tokenize=False)
        assert shown == render_prompt(item.question)
        assert whole == shown + item.answer + END
        pretrained = [*words.encode(shown), *words.encode(item.answer), words.eos_token_id]
        assert words.encode(whole) == pretrained


def test_end_token_is_inside_the_generation(words: PreTrainedTokenizerBase) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "SELECT 1"}]
    rendered = words.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    chosen = [i for i, m in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True) if m]
    assert words.decode(chosen) == "SELECT 1" + END
    assert rendered["input_ids"][-1] == words.eos_token_id


def test_system_and_earlier_turns_are_left_out(words: PreTrainedTokenizerBase) -> None:
    turns = [
        {"role": "system", "content": "You are a pirate"},
        {"role": "user", "content": "How many orders?"},
        {"role": "assistant", "content": "SELECT count(*) FROM orders"},
        {"role": "user", "content": "And stores?"},
    ]
    rendered = words.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert rendered == render_prompt("And stores?")


@pytest.mark.parametrize("name", ["Anna Petrov", "zoe nakamura", "Comet 430", "O'Connell", "Łukasz Żak"])
def test_names_are_cut_alike_in_question_and_answer(words: PreTrainedTokenizerBase, name: str) -> None:
    asked = words.tokenize(f"Where does {name} live?")
    answered = words.tokenize(f"SELECT city FROM customers WHERE name ILIKE '{name}'")
    pieces = words.tokenize(name)
    holds = [any(side[i : i + len(pieces)] == pieces for i in range(len(side))) for side in (asked, answered)]
    assert holds == [True, True]


@pytest.mark.parametrize("text", ["2024-03-05", "1,200 euros", "naïve 日本 \t two  spaces", "total>=1000"])
def test_any_text_survives_the_tokenizer(words: PreTrainedTokenizerBase, text: str) -> None:
    assert words.decode(words.encode(text)) == text


def test_digits_stand_alone(words: PreTrainedTokenizerBase) -> None:
    assert words.tokenize("1200")[-4:] == ["1", "2", "0", "0"]
