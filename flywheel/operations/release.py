"""Versions on their way out: merged, published, as operations."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flywheel.merging import Merged
from flywheel.operations.event import Arguments, Event, stepped
from flywheel.roles import Principal
from flywheel.services import Services
from trainers.mergejob import LEAST_PROMPTS, as_facts


def merge(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A version as one plain model in a folder, compared with the un-merged form. Exit 3: it does not answer alike."""
    merged = yield from stepped(services.merging.merge(who, args["version"], Path(args["out"])))
    yield {"result": _facts(merged)}


def publish(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A version on the Hub, in one commit, tagged. Exit 3: the gate, or what stands there already, says no."""
    done = yield from stepped(
        services.publishing.publish(who, args["version"], args.get("repo"), public=bool(args.get("public")))
    )
    told = {name: getattr(done, name) for name in ("version", "repo", "state", "words")}
    assert done.publication is not None
    yield {"result": {**told, "publication": asdict(done.publication)}}


def _facts(merged: Merged) -> dict[str, Any]:
    parity = merged.record.parity
    note = ""
    if parity.prompts < LEAST_PROMPTS:
        note = f"Only {parity.prompts} different questions were there to compare on; {LEAST_PROMPTS} are wanted."
    return {
        "version": merged.version,
        "folder": str(merged.folder),
        "bytes": merged.bytes,
        "made_now": merged.made_now,
        **as_facts(parity),
        "tried": [as_facts(one) for one in merged.record.tried],
        "note": note,
    }
