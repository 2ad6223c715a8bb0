"""Writes `starter/data/` from the generator: `python -m starter.bundle`. The same seed gives the same files.

The hand-written questions and the example questions are not touched: people wrote them.
"""

import json
import random
from collections.abc import Iterable
from pathlib import Path

from starter import jargon, paths, questions
from starter.answers import Shop
from starter.questions import Item

SEED = 11
REPLAY_ROWS = 1200
GENERAL_ROWS = 420
TALK_SHARE = 0.15
CORRECTIONS = {"big_ticket": 60, "regulars": 44, "no_orders": 44}
PHRASINGS = {"big_ticket": 70, "regulars": 48, "no_orders": 48}


def rows(count: int, held_out: bool, rng: random.Random, shop: Shop, taken: set[str]) -> list[Item]:
    """`count` different items spread evenly over the families, none in `taken` (which grows)."""
    pools = {talk: [f for f in questions.FAMILIES if f.talk == talk] for talk in (False, True)}
    found: list[Item] = []
    turn = {False: 0, True: 0}
    for pool in pools.values():
        rng.shuffle(pool)
    while len(found) < count:
        talk = len(found) % round(1 / TALK_SHARE) == 0
        family = pools[talk][turn[talk] % len(pools[talk])]
        turn[talk] += 1
        item = questions.sample(rng, held_out, family)
        if item is None or questions.normal(item.question) in taken:
            continue
        if item.talk or shop.result(item.answer) is not None:
            taken.add(questions.normal(item.question))
            found.append(item)
    return found


def conversation(item: Item) -> dict[str, object]:
    """The item as a row that a trainer takes."""
    return {
        "prompt": [{"role": "user", "content": item.question}],
        "completion": [{"role": "assistant", "content": item.answer}],
    }


def with_family(item: Item) -> dict[str, object]:
    """The row with the family it comes from, for reading scores by family."""
    return conversation(item) | {"family": item.family}


def write(file: Path, records: Iterable[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines):5} rows  {file.relative_to(paths.STARTER_DIR)}")


def main() -> None:
    rng, taken = random.Random(SEED), set[str]()
    with Shop() as shop:
        write(paths.GENERAL_FILE, map(with_family, rows(GENERAL_ROWS, True, rng, shop, taken)))
        write(paths.REPLAY_FILE, map(conversation, rows(REPLAY_ROWS, False, rng, shop, taken)))
        for term in jargon.TERMS:
            tests = jargon.examples(term.phrasings, PHRASINGS[term.key], rng, shop, taken)
            taught = jargon.examples(term.corrections, CORRECTIONS[term.key], rng, shop, taken)
            write(paths.phrasings_file(term.key), ({"term": term.key, "question": q, "sql": s} for q, s in tests))
            write(
                paths.corrections_file(term.key),
                ({"term": term.key, "question": q, "correction": s} for q, s in taught),
            )


if __name__ == "__main__":
    main()
