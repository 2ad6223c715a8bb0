"""The files of a dataset version: one of JSON lines per side, facts, and a manifest; the folder appears whole.

Knows no store: what it is given is written.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flywheel.errors import Unavailable
from flywheel.formats import as_row
from flywheel.rows import FrozenText, line
from flywheel.splitting import SIDES
from flywheel.words.catalogue import say
from storage.files import fsync_dir, write_durable
from trainers.job import write_manifest

FACTS = "dataset.json"


def write_folder(folder: Path, rows: Sequence[FrozenText], facts: Mapping[str, Any]) -> None:
    """Write `{train,validation,test}.jsonl`, the facts and MANIFEST.json, replacing a folder of that name.

    The folder is there only with all its files, also after a kill or a power cut. Raises Unavailable when the disk
    takes no more.
    """
    beside = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700, parents=True)
        for side in SIDES:
            lines = [line(as_row(row.prompt, row.completion, "prompt-completion")) for row in rows if row.side == side]
            write_durable(beside / f"{side}.jsonl", "".join(lines).encode())
        write_durable(beside / FACTS, (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode())
        write_manifest(beside, [*(f"{side}.jsonl" for side in SIDES), FACTS])
        fsync_dir(beside)
        # No version is recorded for a folder that lies in the way, or its files were found damaged.
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
        fsync_dir(folder.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise Unavailable(say("error.dataset.files_unwritable", folder=folder, reason=error.strerror)) from error
