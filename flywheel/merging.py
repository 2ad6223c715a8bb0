"""Merged models: made by a program of its own, kept until the next one, copied out whole or not at all.

`trainers.merge` folds the adapter in and proves that the result answers alike; here is what it is asked, how far it is,
and what becomes of its folder. One at a time. The newest merged model of a home is kept, so that publishing what was
just merged does not merge again; older ones are deleted, they can be made again at any time.
"""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel import programs
from flywheel.base_model import BaseModel
from flywheel.errors import Conflict, Damaged, InvalidInput, Refused, Unavailable
from flywheel.neighbours import normalise
from flywheel.programs import MERGE
from flywheel.roles import Principal, Role, require
from flywheel.runfiles import CORRECTED, GENERAL, SUITE_FILES, read_rows
from flywheel.steps import Step
from flywheel.versions import Versions
from flywheel.words.catalogue import say
from storage.files import fsync_dir
from storage.home import Home
from storage.versions import Version
from trainers.files import MANIFEST, JobError, read_json, sync_file, write_atomically
from trainers.job import PROGRESS, process_of, read_outcome, request_cancel
from trainers.mergejob import (
    LEAST_PROMPTS,
    MODEL,
    PROMPTS,
    UNLIKE,
    MergeJob,
    Record,
    merged_of,
    read_record,
    write_merge,
)

WAIT_S = 0.2
MOST_PROMPTS = 100
SIDES = ("validation", "train")
"""Where further prompts come from when the suites have too few."""
PART = ".{name}.flywheel-part"


@dataclass(frozen=True)
class Merged:
    """A whole merged model."""

    version: str
    folder: Path
    record: Record
    bytes: int
    made_now: bool
    """False when it was there already."""


class Merging:
    """Merges versions of one home. Thread-safe; a second merge meanwhile is refused."""

    def __init__(self, home: Home, base: BaseModel, versions: Versions) -> None:
        self._home, self._base, self._versions = home, base, versions
        self._busy = threading.Lock()

    def merge(self, who: Principal, name: str, out: Path) -> Generator[Step, None, Merged]:
        """Merge a version into the folder `out`, telling each step.

        Raises InvalidInput or Conflict when something else lies there, Refused with the figures when the merged model
        does not answer alike, Damaged, NotFound, Unavailable. Nothing half is left.
        """
        require(who, Role.OWNER)
        version = self._versions.sound(who, name)
        wanted = self._of(version)
        if _is_there(out, wanted):
            return _found(name, out, made_now=False)
        _refuse_foreign(out)
        merged = yield from self.merged(version)
        yield f"{name}: writing `{out}`", None
        _copy_out(merged.folder, out)
        return _found(name, out, made_now=True)

    def merged(self, version: Version) -> Generator[Step, None, Merged]:
        """The version's merged model in the home, made when it is not there. Closing the generator stops the work."""
        with self._alone():
            folder = self._home.merged_dir(version.id)
            wanted = self._of(version)
            yield from self._wait(version.id, folder)
            if made_now := merged_of(folder / MODEL) != wanted:
                self._prepare(version, folder, wanted)
                programs.launch(folder, MERGE)
                yield from self._follow(version.id, folder)
            # A copy of rows: whoever asks to be forgotten need not be sought here.
            (folder / PROMPTS).unlink(missing_ok=True)
            return _found(version.id, folder / MODEL, made_now)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise Conflict(say("error.merge.busy"))
        try:
            yield
        finally:
            self._busy.release()

    def _of(self, version: Version) -> dict[str, str | None]:
        """What tells this merge from any other; it holds no path of this machine."""
        name = self._base.location if self._base.is_on_hub else Path(self._base.name).name
        known = {"version": version.id, "adapter_sha256": version.adapter_sha256, "base_form": version.base_form}
        return {**known, "base": name, "base_fingerprint": version.revision}

    def _wait(self, name: str, folder: Path) -> Generator[Step, None, None]:
        """Until an earlier app's program over this folder has ended."""
        while process_of(folder) is not None:
            yield _step(name, folder)
            time.sleep(WAIT_S)

    def _prepare(self, version: Version, folder: Path, wanted: dict[str, str | None]) -> None:
        prompts = self._prompts(version)
        for old in self._home.merged.iterdir() if self._home.merged.is_dir() else ():
            if process_of(old) is None:
                shutil.rmtree(old)
        try:
            folder.mkdir(mode=0o700, parents=True)
            lines = "".join(json.dumps({"prompt": prompt}, ensure_ascii=False) + "\n" for prompt in prompts)
            write_atomically(folder / PROMPTS, lines.encode())
            adapter = str(self._home.version_dir(version.id))
            write_merge(
                folder, MergeJob(self._base.location, version.base_form, adapter, self._base.revision, of=wanted)
            )
        except OSError as error:
            raise Unavailable(
                say("error.merge.folder_unwritable", version=version.id, folder=folder, reason=error.strerror)
            ) from error

    def _follow(self, name: str, folder: Path) -> Generator[Step, None, None]:
        try:
            while process_of(folder) is not None:
                yield _step(name, folder)
                time.sleep(WAIT_S)
                programs.collect()
        except BaseException:
            # Whoever wanted it is gone.
            request_cancel(folder)
            raise
        programs.wait_for_end(folder, MERGE)
        _check(name, folder)

    def _prompts(self, version: Version) -> list[list[dict[str, str]]]:
        """Different questions to compare the two forms on: test rows and general suite, evenly; others if too few."""
        run = self._home.run_dir(version.run or 0)
        found: dict[str, list[dict[str, str]]] = {}
        suites = [run / SUITE_FILES[suite] for suite in (CORRECTED, GENERAL)]
        for path in suites:
            _add(found, path, MOST_PROMPTS // len(suites))
        dataset = self._home.dataset_dir(version.dataset or "")
        for path in suites:
            _add(found, path, MOST_PROMPTS - len(found))
        for path in [folder / f"{side}.jsonl" for side in ("test", *SIDES) for folder in (run, dataset)]:
            _add(found, path, LEAST_PROMPTS - len(found))
        if not found:
            raise Damaged(say("error.merge.no_questions", version=version.id, run=run, dataset=dataset))
        return list(found.values())


def _add(found: dict[str, list[dict[str, str]]], path: Path, most: int) -> None:
    """Add up to `most` prompts of a file, evenly spread over it; the same question in other spelling is no other."""
    if most <= 0 or not path.is_file():
        return
    fresh: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(path):
        key = "\n".join(normalise(str(message.get("content", ""))) for message in row["prompt"])
        if key not in found:
            fresh.setdefault(key, row["prompt"])
    taken = list(fresh.items())
    count = min(most, len(taken))
    found.update(taken[i * len(taken) // count] for i in range(count))


def _step(name: str, folder: Path) -> Step:
    try:
        given: dict[str, Any] = read_json(folder / PROGRESS)
    except JobError:
        return f"{name}: merging", None
    return f"{name}: merging, {given['phase']}", given["done"] / given["total"] if given["total"] else 0.0


def _check(name: str, folder: Path) -> None:
    outcome = read_outcome(folder)
    if outcome is None:
        signal = programs.killed_by(folder, MERGE)
        how = "killed" if signal == 9 else "ended"
        raise Unavailable(say(f"error.merge.{how}", name=name, path=folder / "log.txt"))
    if outcome.state == "cancelled":
        raise Conflict(say("error.merge.cancelled", name=name))
    if outcome.state == "failed":
        shutil.rmtree(folder)
        refused = outcome.reason.startswith(UNLIKE)
        raise (Refused if refused else Unavailable)(say("error.merge.not_merged", name=name, reason=outcome.reason))


def _found(name: str, folder: Path, made_now: bool) -> Merged:
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Merged(name, folder, read_record(folder), size, made_now)


def _is_there(out: Path, wanted: dict[str, str | None]) -> bool:
    return out.is_dir() and merged_of(out) == wanted


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InvalidInput(say("error.merge.out_is_file", out=out))
    if out.is_dir() and any(out.iterdir()):
        raise Conflict(say("error.merge.out_in_use", out=out))


def _copy_out(model: Path, out: Path) -> None:
    """Copy beside, then rename: `out` is there whole, or as it was."""
    part = out.with_name(PART.format(name=out.name))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        # The manifest last: without it a folder is no merge.
        for path in sorted(model.iterdir(), key=lambda path: (path.name == MANIFEST, path.name)):
            shutil.copyfile(path, part / path.name)
            sync_file(part / path.name)
        if out.is_dir():
            out.rmdir()
        part.rename(out)
        fsync_dir(out.parent)
    except OSError as error:
        raise Unavailable(say("error.merge.out_unwritable", out=out, reason=error.strerror)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
