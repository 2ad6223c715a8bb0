"""The inbox without a browser, as operations."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from flywheel.alike import Cluster
from flywheel.errors import InvalidInput
from flywheel.inbox import PUT_OFF
from flywheel.items import pseudonym
from flywheel.operations.event import Arguments, Event
from flywheel.queue_entries import Filters
from flywheel.roles import Principal
from flywheel.services import Services
from flywheel.words.catalogue import say

FILTERS = ("state", "reason", "rating", "version", "tag", "provenance", "text")


def review(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """The inbox without a browser: look, tag, decide."""
    action, curation = args["action"], services.curation
    if action in _LOOKING:
        yield from _LOOKING[action](services, who, args)
    elif action == "tag":
        yield from _tagged(services, who, args)
    elif action == "suggest":
        yield {"progress": f"asking {services.suggestions.drafter(who)}"}
        yield {"result": asdict(services.suggestions.draft(who, args["ids"][0]))}
    elif action == "alike":
        for cluster in services.alike.listing(who, args.get("limit", 50)):
            yield {"result": _cluster(cluster)}
    elif args.get("alike"):
        yield from _together(services, who, args)
    elif action == "approve":
        approved, refused = curation.approve_many(who, args["ids"], args.get("keep", ""))
        # An approval that waits for a second reviewer is no decision yet; its pin counts from that on.
        _pin(services, who, args, [*approved, *services.inbox.approved_once(who, [id for id, _ in refused])])
        yield {"result": {"approved": approved, "refused": [{"id": i, "reason": r} for i, r in refused]}}
        yield {"exit": 1 if refused else 0}
    elif action == "edit":
        edited = curation.approve(who, args["ids"][0], completion=args["completion"], keep=args.get("keep", ""))
        _pin(services, who, args, [edited.id])
        yield {"result": asdict(edited)}
    else:
        for example_id in args["ids"]:
            if action == "reject":
                done = curation.reject(who, example_id, args["reason"])
            else:
                done = {"redact": curation.redact, "skip": curation.skip, "reopen": curation.reopen}[action](
                    who, example_id
                )
            put_off = {"skipped_hours": PUT_OFF.total_seconds() / 3600} if action == "skip" else {}
            yield {"result": {**asdict(done), **put_off}}


def _list(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    wanted = {name: args[name] for name in FILTERS if args.get(name)}
    since, until = _day("since", args.get("since")), _day("until", args.get("until"))
    filters = Filters(**wanted, since=since, until=until, mine=who.id if args.get("mine") else "")
    tagged = services.inbox.examples(who, filters, args.get("order", "value"), args.get("limit", 50))
    for example, tags in tagged:
        yield {"result": {**asdict(example), "tags": tags}}


def _show(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    item = services.inbox.open(who, args["ids"][0])
    if item.held_by:
        yield {"progress": say("review.held", person=pseudonym(item.held_by))}
    yield {"result": {**asdict(item), "held_by": item.held_by and pseudonym(item.held_by)}}


def _tags(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    yield {"result": services.inbox.tag_counts(who, args.get("state", "all"))}


def _numbers(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    learned = [asdict(one) for one in services.inbox.learned(who)]
    yield {"result": {**asdict(services.inbox.numbers(who)), "learned": learned}}


_LOOKING = {"list": _list, "show": _show, "tags": _tags, "numbers": _numbers}


def _tagged(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    if not args.get("add") and not args.get("remove"):
        raise InvalidInput("Nothing to tag with is given. Name tags with `--add T` or `--remove T`.")
    changed = sum(services.inbox.tag(who, args["ids"], tag) for tag in args.get("add") or ())
    changed += sum(services.inbox.tag(who, args["ids"], tag, on=False) for tag in args.get("remove") or ())
    yield {"result": {"changed": changed}}


def _day(name: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"`--{name} {text[:40]}` is no day. Write it as 2026-01-31.") from error


def _together(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """One decision for each example that is named and all that ask nearly the same."""
    clusters = [(example_id, services.alike.of(who, example_id)) for example_id in args["ids"]]
    seen = dict[str, str]()
    for example_id, cluster in clusters:
        alone = [] if cluster else [(example_id, services.curation.item(who, example_id).example.event_id)]
        seen |= dict(cluster.seen if cluster else alone)
    if args["action"] == "approve":
        decided = services.alike.approve(who, [*seen.items()], args.get("keep") or "")
        _pin(services, who, args, decided.done)
    else:
        decided = services.alike.reject(who, [*seen.items()], args["reason"])
    refused = [{"id": id, "reason": reason} for id, reason in decided.refused]
    yield {"result": {"approved" if args["action"] == "approve" else "rejected": decided.done, "refused": refused}}
    yield {"exit": 1 if refused else 0}


def _pin(services: Services, who: Principal, args: Arguments, ids: Sequence[str]) -> None:
    if args.get("pin"):
        services.pins.add(who, ids)


def _cluster(cluster: Cluster) -> dict[str, Any]:
    pairs = [
        {"id": example.id, "question": example.prompt[-1]["content"], "completion": example.completion, "copies": count}
        for example, count in cluster.pairs
    ]
    return {"count": len(cluster.examples), "ids": [id for id, _ in cluster.seen], "pairs": pairs}
