"""How good is a starter model? `python -m starter.evaluate [--model DIR] [--json]`.

Execution accuracy on held-out generated questions, on hand-written ones, and of the answers in words; greedy decoding
on one thread. The held-out questions are drawn from a fixed seed: wordings and names that training never sees. With
`--write` the figures of the shipped model go into figures.json, from which the README's are taken.
"""

import argparse
import hashlib
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from starter import paths, questions
from starter.answers import Shop, is_sql
from starter.questions import Item

HELD_OUT = 600
TALK = 300
SEED = 7
MOST_TOKENS = 160
BATCH = 64


@dataclass(frozen=True)
class Score:
    """`right` of `n`; `same` were letter for letter the expected answer; `misses` are (question, expected, answer)."""

    n: int
    right: int
    same: int
    misses: list[tuple[str, str, str]]

    @property
    def share(self) -> float:
        return self.right / self.n


class Answerer:
    """A model and its tokenizer, answering lists of questions greedily."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def answer(self, asked: Sequence[str]) -> list[str]:
        """One answer per question, in their order; batches hold questions of like length."""
        order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
        answers = [""] * len(asked)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            for i, text in zip(chosen, self._batch([asked[i] for i in chosen]), strict=True):
                answers[i] = text
        return answers

    @torch.inference_mode()
    def _batch(self, asked: list[str]) -> list[str]:
        rendered = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True
            )
            for q in asked
        ]
        inputs = self.tokenizer(rendered, return_tensors="pt", padding=True, return_token_type_ids=False)
        output = self.model.generate(**inputs, max_new_tokens=MOST_TOKENS, do_sample=False)
        return self.tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def held_out_items(count: int, seed: int, talk: bool) -> list[Item]:
    """`count` different held-out questions, either all with SQL or all answered in words, spread over the families."""
    rng = random.Random(seed)
    pool = [family for family in questions.FAMILIES if family.talk == talk]
    items: dict[str, Item] = {}
    while len(items) < count:
        item = questions.sample(rng, held_out=True, family=rng.choice(pool))
        if item is not None:
            items.setdefault(item.question.lower(), item)
    return list(items.values())


def handwritten(file: Path) -> list[tuple[str, str | None]]:
    """(question, SQL or None where words are the right answer) from a hand-written file."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(row["question"], row["sql"]) for row in rows]


def score(shop: Shop, asked: Sequence[tuple[str, str | None]], answers: Sequence[str]) -> Score:
    """Compares answers with what was expected; None expects any answer in words."""
    right, same, misses = 0, 0, []
    for (question, gold), answer in zip(asked, answers, strict=True):
        fine = not is_sql(answer) if gold is None else shop.is_right(answer, gold)
        right += fine
        same += answer == gold
        if not fine:
            misses.append((question, gold or "(words)", answer))
    return Score(len(asked), right, same, misses)


def suites() -> dict[str, list[tuple[str, str | None]]]:
    """Every suite by name, as (question, expected) pairs."""
    data = held_out_items(HELD_OUT, SEED, talk=False)
    talk = held_out_items(TALK, SEED, talk=True)
    return {
        "held_out": [(item.question, item.answer) for item in data],
        "refusals": [(item.question, None) for item in talk],
        "refusals_exact": [(item.question, item.answer) for item in talk],
        "handwritten_dev": handwritten(paths.HANDWRITTEN_DEV_FILE),
        "handwritten_early": handwritten(paths.HANDWRITTEN_EARLY_FILE),
        "handwritten_test": handwritten(paths.HANDWRITTEN_TEST_FILE),
    }


def evaluate(folder: Path, names: Sequence[str] = ()) -> dict[str, Score]:
    """Scores of the model in `folder` on the suites in `names`, or on all."""
    answerer = Answerer(folder)
    known: dict[str, str] = {}
    scores: dict[str, Score] = {}
    with Shop() as shop:
        for name, asked in suites().items():
            if names and name not in names:
                continue
            fresh = [question for question, _ in asked if question not in known]
            known.update(zip(fresh, answerer.answer(fresh), strict=True))
            scores[name] = score(shop, asked, [known[question] for question, _ in asked])
    return scores


def write_figures(folder: Path, scores: dict[str, Score]) -> None:
    """figures.json: what was measured, and on which weights."""
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    counted = {name: {"n": score.n, "right": score.right, "same": score.same} for name, score in scores.items()}
    text = json.dumps({"weights_sha256": weights, "suites": counted}, indent=2)
    paths.FIGURES_FILE.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a starter model.")
    parser.add_argument("--model", type=Path, default=paths.MODEL_DIR)
    parser.add_argument("--json", action="store_true", help="one JSON object with the misses")
    parser.add_argument("--misses", type=int, default=0, help="show this many misses of each suite")
    parser.add_argument("--suite", action="append", default=[], help="only this suite; may be given again")
    parser.add_argument("--write", action="store_true", help="write the figures to figures.json")
    arguments = parser.parse_args()
    began = time.process_time()
    scores = evaluate(arguments.model, arguments.suite)
    if arguments.write:
        write_figures(arguments.model, scores)
    if arguments.json:
        print(json.dumps({name: asdict(score) for name, score in scores.items()}))
        return
    for name, result in scores.items():
        print(f"{name:18} {100 * result.share:5.1f} %  ({result.right} of {result.n}; {result.same} letter for letter)")
        for question, gold, answer in result.misses[: arguments.misses]:
            print(f"    {question}\n      expected {gold}\n      answered {answer}")
    print(f"{time.process_time() - began:.0f} CPU seconds")


if __name__ == "__main__":
    main()
