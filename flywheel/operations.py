"""What the commands do, as generators of plain dictionaries: the same in a process of its own or inside the app.

An operation takes the services, the caller and plain arguments, and yields events: `{"progress": words}` for people,
`{"result": object}` for the output, and at most one `{"exit": code}`. Knows nothing of terminals, argparse or HTTP.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flywheel import exports, imports
from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.services import Services
from storage import ledger

Event = dict[str, Any]
Arguments = dict[str, Any]
Operation = Callable[[Services, Principal, Arguments], Iterator[Event]]

RUN_STATES_OPEN = ("queued", "running", "evaluating")


def status(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Counts at each station of the wheel, and the next step."""
    yield {"result": asdict(services.wheel.status(who))}


def ask(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """One answer: the text as it grows as progress, the whole turn as the result."""
    started = time.monotonic()
    turn = None
    for update in services.chat.reply(who, None, args["text"], version=args.get("version"), source="cli"):
        yield {"stream": update.text}
        turn = update.turn or turn
    if turn is None:
        raise NotFound("The answer was not stored. Look at the log of the app, then ask again.")
    result: dict[str, Any] = {"text": turn.content, "turn_id": turn.id, "version": turn.version}
    result["seconds"] = round(time.monotonic() - started, 3)
    result |= turn.details.get("sql") or {}
    if turn.state == "failed":
        result["error"] = turn.details.get("error")
    yield {"result": result}
    yield {"exit": 1 if turn.state == "failed" else 0}


def import_files(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Examples from files; bad rows are listed with line and reason, good ones kept."""
    bad_files = 0
    for name in args["files"]:
        report = imports.import_file(
            services.importer,
            who,
            Path(name),
            format=args.get("format"),
            split=args.get("split"),
            approved=bool(args.get("approved")),
        )
        bad_files += report.added + report.duplicates == 0
        yield {"result": {"file": name, **asdict(report)}}
    yield {"exit": 1 if bad_files else 0}


def export(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Examples, a dataset version, turns or feedback into a file."""
    out = Path(args["out"])
    count = exports.export_file(
        services.exporter, who, out, what=args["what"], format=args.get("format"), dataset=args.get("dataset")
    )
    yield {"result": {"file": str(out), "rows": count}}


def review(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """The inbox without a browser: list, show, approve, reject, edit."""
    action, curation = args["action"], services.curation
    if action == "list":
        for example in curation.inbox(who, limit=args.get("limit", 50)):
            yield {"result": asdict(example)}
    elif action == "show":
        yield {"result": asdict(curation.item(who, args["ids"][0]))}
    elif action == "approve":
        approved, refused = curation.approve_many(who, args["ids"])
        yield {"result": {"approved": approved, "refused": [{"id": i, "reason": r} for i, r in refused]}}
        yield {"exit": 1 if refused else 0}
    elif action == "edit":
        yield {"result": asdict(curation.approve(who, args["ids"][0], completion=args["completion"]))}
    else:
        for example_id in args["ids"]:
            yield {"result": asdict(curation.reject(who, example_id, args["reason"]))}


def freeze(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A dataset version from what is approved now."""
    frozen = services.datasets.freeze(who, name=args.get("name") or "", note=args.get("note") or "")
    yield {"result": {**asdict(frozen.version), "created_now": frozen.created, "refused": frozen.refused}}


def datasets(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """List, show or compare dataset versions."""
    action = args["action"]
    if action == "list":
        for version in services.datasets.listing(who):
            yield {"result": asdict(version)}
    elif action == "diff":
        yield {"result": asdict(services.datasets.diff(who, args["ids"][0], args["ids"][1]))}
    else:
        yield {"result": asdict(services.datasets.show(who, args["ids"][0]))}


def train(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Start a run; with `wait`, follow it to its end."""
    run = services.training.start(
        who,
        dataset=args.get("dataset"),
        method=args.get("method") or "sft",
        preset=args.get("preset") or "standard",
        overrides=args.get("set") or {},
    )
    if not args.get("wait"):
        yield {"result": asdict(run)}
        return
    yield from _follow(services, who, run.number)


def _follow(services: Services, who: Principal, number: int) -> Iterator[Event]:
    last = ""
    while True:
        if not services.worker.alive:
            services.training.poll()
        view = services.training.view(who, number)
        if view.run.state not in RUN_STATES_OPEN:
            break
        if view.phase != last:
            yield {"progress": f"run {number}: {view.phase}", "fraction": view.progress}
            last = view.phase
        time.sleep(0.3)
    yield {"result": asdict(view.run)}
    yield {"exit": {"finished": 0, "cancelled": 130}.get(view.run.state, 1)}


def runs(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """List, show, read the log of, cancel or resume runs."""
    action, training = args["action"], services.training
    number = int(args["number"]) if args.get("number") is not None else 0
    if action == "list":
        for run in training.listing(who):
            yield {"result": asdict(run)}
    elif action == "logs":
        yield {"result": {"number": number, "log": training.view(who, number).log_tail}}
    elif action == "cancel":
        yield {"result": asdict(training.cancel(who, number))}
    elif action == "resume":
        yield {"result": asdict(training.resume(who, number))}
        if args.get("wait"):
            yield from _follow(services, who, number)
    else:
        yield {"result": asdict(training.view(who, number))}


def versions(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """List versions with their scores, or show one."""
    views = services.versions.listing(who)
    wanted = args.get("version")
    if wanted and wanted not in [view.version.id for view in views]:
        raise NotFound(f"There is no version `{wanted}`. `python -m flywheel versions list` names them.")
    for view in views:
        if wanted in (None, view.version.id):
            yield {"result": asdict(view)}


def evaluate(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Score a version beside the base and what it is compared with, then the gate's verdict. Exit 3: not passed."""
    yield {"progress": f"{args['version']}: answering the test questions"}
    services.training.evaluate(who, args["version"], args.get("against"))
    verdict = services.versions.verdict(who, args["version"], against=args.get("against"))
    yield {"result": {"version": args["version"], **asdict(verdict)}}
    yield {"exit": 0 if verdict.state == "passed" else 3}


def promote(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Serve a version that passed the gate (or with an owner's written reason)."""
    promotion = services.versions.promote(who, args["version"], override=args.get("override"))
    yield {"result": asdict(promotion)}


def rollback(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Serve the version before, or a named one that was served."""
    yield {"result": asdict(services.versions.rollback(who, args.get("version")))}


def login_link(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A link that signs its holder in as reviewer or owner."""
    yield {"result": {"role": args["role"], "link": services.login_link(who, args["role"], args.get("name") or "")}}


def audit(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Check the ledger's chain; names the first broken row."""
    require(who, Role.OWNER)
    report = ledger.verify(services.database)
    yield {"result": asdict(report)}
    yield {"exit": 0 if report.ok else 1}


OPERATIONS: dict[str, Operation] = {
    "status": status,
    "ask": ask,
    "import": import_files,
    "export": export,
    "review": review,
    "freeze": freeze,
    "datasets": datasets,
    "train": train,
    "runs": runs,
    "versions": versions,
    "evaluate": evaluate,
    "promote": promote,
    "rollback": rollback,
    "login-link": login_link,
    "audit": audit,
}


COUNTS_TOKENS = ("ask", "import", "review", "freeze")
"""Operations that need the base's tokenizer: what is too long for it is refused."""


def perform(services: Services, who: Principal, name: str, args: Arguments) -> Iterator[Event]:
    """Run one operation by its name. Raises InvalidInput for an unknown name."""
    if name not in OPERATIONS:
        raise InvalidInput(f"There is no operation `{name}`. `python -m flywheel --help` lists the commands.")
    if name in COUNTS_TOKENS:
        services.wait_until_ready()
    yield from OPERATIONS[name](services, who, args)
