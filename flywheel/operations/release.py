"""Versions on their way out: merged, published, as operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flywheel.merging import Merged
from flywheel.operations.event import Arguments, Event
from flywheel.roles import Principal
from flywheel.services import Services
from trainers.mergejob import LEAST_PROMPTS, as_facts


def merge(services: Services, who: Principal, args: Arguments) -> Iterator[Event]:
    """A version as one plain model in a folder, compared with the un-merged form. Exit 3: it does not answer alike."""
    steps = services.merging.merge(who, args["version"], Path(args["out"]))
    last = ""
    while True:
        try:
            words, fraction = next(steps)
        except StopIteration as end:
            yield {"result": _facts(end.value)}
            return
        if words != last:
            yield {"progress": words, **({} if fraction is None else {"fraction": fraction})}
            last = words


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
