"""Runs and versions, as operations."""

import time
from collections.abc import Iterator
from dataclasses import asdict

from flywheel import presets
from flywheel.errors import NotFound
from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services
from flywheel.words.catalogue import say

RUN_STATES_OPEN = ("queued", "running", "evaluating")


def train(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Start a run; with `wait`, follow it to its end."""
    if words := presets.limits():
        yield {"progress": words}
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
    # What cannot be scored is told before anything is said of scoring it.
    services.base.require_here(say("elsewhere.scored"))
    for name in filter(None, (args["version"], args.get("against"))):
        if not services.versions.known(name):
            raise NotFound(f"There is no version `{name}`. `python -m flywheel versions list` names them.")
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
