"""Examples and dataset versions, as operations."""

from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flywheel import exports, hub_import, imports
from flywheel.operations.event import Arguments, Event, stepped
from flywheel.roles import Principal
from flywheel.services import Services
from flywheel.synthesis import Wish


def import_files(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Examples from files; bad rows are listed with line and reason, good ones kept."""
    bad_files = 0
    for name in args["files"]:
        if found := hub_import.named(name):
            bad_files += yield from _from_hub(services, who, args, *found)
            continue
        how: dict[str, Any] = {key: args.get(key) for key in ("format", "split")}
        work = imports.importing(services.importer, who, Path(name), **how, approved=bool(args.get("approved")))
        report = yield from _watched(work, name)
        bad_files += report.added + report.duplicates == 0
        yield {"result": {"file": name, **asdict(report)}}
    yield {"exit": 1 if bad_files else 0}


def _from_hub(
    services: Services, who: Principal, args: Arguments, repo: str, revision: str | None
) -> Generator[Event, None, int]:
    """Each file of a dataset on the Hub; how many of them gave nothing."""
    how = {key: args.get(key) for key in ("format", "split")}
    reports = yield from stepped(
        hub_import.importing_from_hub(
            services.hub, services.importer, who, repo, revision, **how, approved=bool(args.get("approved"))
        )
    )
    for path, report in reports:
        yield {"result": {"file": f"{repo}/{path}", **asdict(report)}}
    return sum(report.added + report.duplicates == 0 for _, report in reports)


def _watched(
    work: Generator[float, None, imports.ImportReport], name: str
) -> Generator[Event, None, imports.ImportReport]:
    """The progress of an import as events, its report as the value."""
    while True:
        try:
            fraction = next(work)
        except StopIteration as done:
            report: imports.ImportReport = done.value
            return report
        yield {"progress": f"importing {Path(name).name}", "fraction": fraction}


def export(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Examples, a dataset version, turns or feedback into a file."""
    out = Path(args["out"])
    count = exports.export_file(
        services.exporter, who, out, what=args["what"], format=args.get("format"), dataset=args.get("dataset")
    )
    yield {"result": {"file": str(out), "rows": count}}


def synthesize(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """Pairs from the teacher, which wait for review. Exit 1: the teacher failed; what was made is kept."""
    source = "documents" if args.get("documents") else args.get("source", "rows")
    if args.get("show_prompt"):
        yield {"result": {"source": source, "prompt": services.synthesis.prompt(who, source)}}
        return
    given = {
        name: args[name] for name in ("count", "seed_rows", "documents", "calls", "tokens", "seed") if name in args
    }
    made = yield from stepped(services.synthesis.make(who, Wish(source, **given, prompt=args.get("prompt"))))
    yield {"result": asdict(made)}
    yield {"exit": 1 if made.failed else 0}


def pins(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """List, add or remove pinned tests."""
    action = args["action"]
    if action == "list":
        for pin in services.pins.listing(who):
            yield {"result": asdict(pin)}
    else:
        change = services.pins.add if action == "add" else services.pins.remove
        changed = change(who, args["ids"])
        yield {"result": {"pinned" if action == "add" else "removed": changed, "asked": len(args["ids"])}}


def freeze(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A dataset version from what is approved now."""
    work = services.datasets.freezing(who, name=args.get("name") or "", note=args.get("note") or "")
    frozen = yield from stepped(work)
    yield {"result": {**asdict(frozen.version), "created_now": frozen.created, "refused": frozen.refused}}


def datasets(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """List, show, compare, report on or push dataset versions."""
    action = args["action"]
    if action == "list":
        for version in services.datasets.listing(who):
            yield {"result": asdict(version)}
    elif action == "diff":
        yield {"result": asdict(services.datasets.diff(who, args["ids"][0], args["ids"][1]))}
    elif action == "push":
        work = services.dataset_push.push(who, args["ids"][0], args.get("repo"), public=bool(args.get("public")))
        yield {"result": asdict((yield from stepped(work)))}
    elif action == "report":
        yield {"result": (yield from stepped(services.datasets.reporting(who, args.get("ids"))))}
    else:
        yield {"result": asdict(services.datasets.show(who, args["ids"][0]))}
