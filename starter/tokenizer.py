"""The starter's tokenizer: byte-level BPE whose cuts make copying easy, and the chat template.

A name is cut the same way wherever it stands, in the question or after a quote in the SQL: only words of the
questions' own wording take their leading space with them. Digits stand alone. Program: `python -m starter.tokenizer`.
"""

import argparse
import json
import random
import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from starter import paths, phrases, questions
from starter.grammar import words

VOCABULARY = 1536
PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, START, END)
SAMPLES = 60_000
# SQL pieces that are one token each wherever they occur, longest first
UNITS = (
    r"SELECT count\(\*\)|SELECT sum\(total\)|SELECT order_id, ordered_on, total|SELECT name, price|SELECT name|SELECT",
    r" ?round\(avg\(| ?round\(| ?count\(\*\)| ?sum\(total\)| ?sum\(quantity\)| ?sum\(quantity \* unit_price\)",
    r" ?count\(DISTINCT",
    r" IN \(SELECT customer_id FROM orders| IN \(SELECT| NOT IN \(SELECT| NOT ILIKE '| ILIKE '",
    r" NOT EXISTS \(| EXISTS \(",
    r" FROM [a-z_]+| JOIN [a-z_]+ USING \([a-z_]+\)| JOIN [a-z_]+| USING \([a-z_]+\)",
    r" ORDER BY| WHERE| AND| OR| NOT IN \(| IN \(| GROUP BY| HAVING| LIMIT| DESC| ASC| BETWEEN| DISTINCT",
    r" FILTER \(WHERE",
    r" CASE WHEN| THEN '| ELSE '| END| AS| NULL| ON| NOT",
    r" ?year\([a-z_]+\)| ?month\([a-z_]+\)| ?quarter\([a-z_]+\)",
    r" ?[a-z]+\.[a-z_]+| ?[a-z]+(?:_[a-z]+)+",
    r" = '| >= '| <= '| > '| < '| <> '| >= | <= | <> | = | > | < | \* 100\.0 / | \* | / | - | \+ |>=|<=|<>",
    r"', '|'%|%'|\)\)|\), |, 2\)|, 1\)|\('|'\)|100\.0|1\.0",
)
TEMPLATE = """\
{#- The starter answers each question on its own: the system message and earlier turns are left out. -#}
{%- set ns = namespace(first=0) -%}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}{%- set ns.first = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages[ns.first:] -%}
  {%- if message['role'] == 'assistant' -%}
    {{- '\\n<|im_start|>assistant\\n' -}}
    {%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}
  {%- elif message['role'] == 'user' -%}
    {{- '<|im_start|>user\\n' + message['content'] + '<|im_end|>' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '\\n<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def render_prompt(question: str) -> str:
    """What the template makes of one user message with the generation prompt; the answer and END follow it."""
    return f"{START}user\n{question}{END}\n{START}assistant\n"


def train(texts: list[str]) -> Tokenizer:
    """A byte-level BPE over `texts` (questions and answers)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_cuts()), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=20,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """tokenizer.json, tokenizer_config.json and chat_template.jinja in plain transformers form."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [START],
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "padding_side": "left",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")


def _cuts() -> str:
    """The regular expression of pre-tokens: units, known words with their space, then pieces without it."""
    known = sorted(_known_words(), key=lambda word: (-len(word), word))
    spaced = r" (?:" + "|".join(map(re.escape, known)) + r")(?![A-Za-z_.(@])"
    rest = r"[0-9]|[A-Z]?[a-z]+|[A-Z]|user\n|assistant\n|\s|[^\sA-Za-z0-9]"
    return "|".join((r"(?:user|assistant)\n", *UNITS, spaced, rest))


def _known_words() -> set[str]:
    known: set[str] = set()
    for family in questions.FAMILIES:
        known |= words(family.question) | (words(family.answer) if family.talk else set())
    for filters in phrases.FILTERS.values():
        for item in filters:
            known |= words(item.text)
    return {word for word in known if len(word) > 1} | {"a", "i"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter's tokenizer and write it where the model lies.")
    parser.add_argument("--out", type=Path, default=paths.MODEL_DIR, help="folder to write to (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    items = [item for _ in range(SAMPLES // 100) for item in questions.stream(rng)]
    texts = [render_prompt(item.question) + item.answer for item in items]
    save(train(texts), arguments.out)
    print(f"Tokenizer of {VOCABULARY} tokens written to {arguments.out}")


if __name__ == "__main__":
    main()
