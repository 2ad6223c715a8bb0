"""The order of the inbox: how many items worth a reviewer's time stand among the first 50, by value and at random.

`python -m benchmarks.inbox_order [--seed S]`. Real questions to the bundled starter with its real certainty; people
are simulated: a wrong answer gets a thumb down four times in five, a right one three times in ten, and three in ten of
those who were answered wrongly write what is right. An item is useful when the model was wrong and nothing approved
asks the same already. Ten wrong answers are approved corrected before.
"""

import argparse
import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

from flywheel.inbox import Inbox
from flywheel.neighbours import normalise
from flywheel.queue_entries import Filters
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from flywheel.settings import read
from starter import paths
from storage.examples import Example

GUEST = Principal("guest:" + "0" * 32, Role.GUEST)
ANN = Principal("local:reviewer:ann", Role.REVIEWER)
FIRST = (10, 20, 50)
BEFORE, SHUFFLES = 10, 200
FILES = (paths.HANDWRITTEN_TEST_FILE, paths.HANDWRITTEN_DEV_FILE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        services = build_services(
            read(
                {
                    "FLYWHEEL_HOME": folder,
                    "FLYWHEEL_SECOND_REVIEW": "0",
                    "FLYWHEEL_GUEST_LIMIT": "off",
                    "FLYWHEEL_ADDRESS_LIMIT": "off",
                }
            )
        )
        try:
            services.wait_until_ready()
            print(json.dumps(measured(services, random.Random(options.seed))))
        finally:
            services.close()


def measured(services: Services, draw: random.Random) -> dict[str, Any]:
    """Useful items among the first by value, at random (mean), and at best."""
    services.privacy.choose(GUEST, "yes")
    rows = [json.loads(line) for file in FILES for line in Path(file).read_text().splitlines()]
    for term in paths.TERMS:
        rows += [json.loads(line) for line in paths.phrasings_file(term).read_text().splitlines()][:20]
    rows = [row for row in rows if row["sql"]]
    draw.shuffle(rows)
    useful: dict[str, bool] = {}
    approved: set[str] = set()
    for row in rows:
        wrong, example = asked(services, row, draw)
        if example is None:
            continue
        if wrong and len(approved) < BEFORE:
            services.curation.approve(ANN, example.id, completion=row["sql"])
            approved.add(normalise(row["question"]))
        else:
            useful[example.id] = wrong and normalise(row["question"]) not in approved
    order = listed(services.inbox)
    figures: dict[str, Any] = {"questions": len(rows), "waiting": len(order), "useful": sum(useful.values())}
    for first in FIRST:
        taken = min(first, len(order))
        at_random = [sum(useful[id] for id in draw.sample(order, taken)) for _ in range(SHUFFLES)]
        by_value = sum(useful[id] for id in order[:taken])
        figures[f"first {taken}"] = {"by value": by_value, "at random": round(statistics.mean(at_random), 1)}
    return figures


def asked(services: Services, row: dict[str, str], draw: random.Random) -> tuple[bool, Example | None]:
    """Whether the answer was wrong, and the example that a thumb down left."""
    turn = None
    for update in services.chat.reply(GUEST, None, row["question"]):
        turn = update.turn or turn
    assert turn is not None
    given, wanted = services.task.outcome(turn.content), services.task.outcome(row["sql"])
    assert given is not None and wanted is not None
    wrong = not given.accepted or sorted(map(str, given.rows)) != sorted(map(str, wanted.rows))
    if draw.random() > (0.8 if wrong else 0.3) or turn.state != "complete":
        return wrong, None
    if wrong and draw.random() < 0.3:
        return wrong, services.chat.correct(GUEST, turn.id, row["sql"])[1]
    services.chat.rate(GUEST, turn.id, "down")
    return wrong, services.inbox.examples(ANN, Filters(), "newest", 1)[0][0]


def listed(inbox: Inbox) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        page = inbox.page(ANN, after=after)
        ids += [row.id for row in page.entries]
        if (after := page.after) is None:
            return ids


if __name__ == "__main__":
    main()
