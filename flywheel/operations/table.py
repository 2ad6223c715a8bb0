"""Every operation by its name: what the commands do, in a process of its own or inside the app.

Knows nothing of terminals, argparse or HTTP.
"""

from collections.abc import Iterator

from flywheel.errors import InvalidInput
from flywheel.operations import care, daily, data, keys, models, people, release, review
from flywheel.operations.event import Arguments, Event, Operation
from flywheel.roles import Principal
from flywheel.services import Services

OPERATIONS: dict[str, Operation] = {
    "status": daily.status,
    "ask": daily.ask,
    "import": data.import_files,
    "export": data.export,
    "review": review.review,
    "pins": data.pins,
    "freeze": data.freeze,
    "synthesize": data.synthesize,
    "datasets": data.datasets,
    "train": models.train,
    "runs": models.runs,
    "versions": models.versions,
    "evaluate": models.evaluate,
    "promote": models.promote,
    "rollback": models.rollback,
    "keys": keys.keys,
    "merge": release.merge,
    "publish": release.publish,
    "login-link": care.login_link,
    "backup": care.backup,
    "doctor": care.doctor,
    "audit": care.audit,
    "forget": people.forget,
    "reviewers": people.reviewers,
    "usage": people.usage,
}

COUNTS_TOKENS = ("ask", "import", "review", "freeze", "synthesize")
"""Operations that need the base's tokenizer: what is too long for it is refused. A model elsewhere has none here."""

COUNTING_ACTIONS = {"datasets": ("report",)}
"""Of operations that else need none, the actions that do."""

LOOKS = ("list", "tags", "tag", "numbers")
"""Actions of theirs that count nothing; to show an item is to say what would be refused in it."""

NEEDS_BASE = ("train", "evaluate", "merge", "publish")
"""Operations that need the base's files, though not the model in memory."""


def perform(services: Services, who: Principal, name: str, args: Arguments) -> Iterator[Event]:
    """Run one operation by its name. Raises InvalidInput for an unknown name."""
    if name not in OPERATIONS:
        raise InvalidInput(f"There is no operation `{name}`. `python -m flywheel --help` lists the commands.")
    action = args.get("action")
    counts = (name in COUNTS_TOKENS and action not in LOOKS) or action in COUNTING_ACTIONS.get(name, ())
    if counts and (name == "ask" or not services.settings.is_remote):
        yield from _waiting(services)
    if name in NEEDS_BASE and services.base.is_on_hub and services.base.folder is None:
        yield from _waiting(services)
    yield from OPERATIONS[name](services, who, args)


def _waiting(services: Services) -> Iterator[Event]:
    for words in services.waiting():
        yield {"progress": words}
