"""Checkpoints that can be trusted: complete ones only, and only for the run they were made in.

The library below writes a checkpoint in place, file by file, and on resuming takes the newest folder even if it is
empty. Here a checkpoint counts once its manifest, written last, agrees with every file in it.
"""

import shutil
from pathlib import Path
from typing import Any

from trainers.files import MANIFEST, JobError, read_json, sync_file, verify_manifest, write_json, write_manifest

SETTINGS = "settings.json"


def complete(folder: Path, settings: dict[str, Any]) -> None:
    """Declare a written checkpoint whole: record what it was made with, sync all files, list them last."""
    write_json(folder / SETTINGS, settings)
    names = [path.name for path in folder.iterdir() if path.is_file() and path.name != MANIFEST]
    for name in names:
        sync_file(folder / name)
    write_manifest(folder, names)


def newest(folder: Path) -> Path | None:
    """The complete checkpoint of the highest step in this folder."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        if not verify_manifest(path):
            return path
    return None


def discard_incomplete(folder: Path) -> None:
    """Remove what a killed program left half written, so that it is neither resumed from nor counted."""
    for path in folder.glob("checkpoint-*"):
        if verify_manifest(path):
            shutil.rmtree(path)


def starting_point(run_dir: Path, checkpoints: Path, resume_from: str | None, settings: dict[str, Any]) -> Path | None:
    """The checkpoint to go on from: this run's own newest, else the one of `resume_from`, else None.

    JobError when `resume_from` has none, or when a checkpoint was made with other settings: going on from it would
    give a result that neither job describes.
    """
    found = newest(checkpoints)
    if found is None and resume_from is not None:
        source = run_dir / resume_from
        found = newest(source / checkpoints.name) if (source / checkpoints.name).is_dir() else _whole(source)
        if found is None:
            raise JobError(f"`resume_from` is `{resume_from}`, which holds no complete checkpoint. Leave it null.")
    if found is not None:
        _check_settings(found, settings)
    return found


def _whole(checkpoint: Path) -> Path | None:
    return None if verify_manifest(checkpoint) else checkpoint


def _check_settings(checkpoint: Path, settings: dict[str, Any]) -> None:
    made_with = read_json(checkpoint / SETTINGS)
    for name, wanted in settings.items():
        if made_with.get(name) != wanted:
            raise JobError(
                f"{checkpoint} was made with {name} `{made_with.get(name)}`, and this job says `{wanted}`. "
                "Restore the setting, or remove the checkpoints to begin anew."
            )


def _step(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1
