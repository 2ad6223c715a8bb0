"""Examples from a dataset on the Hub: its data files in formats that are known, of one commit; never its code.

What it fetches lies in the cache that all Hugging Face libraries share and is then read as any stranger's file.
"""

import re
from collections.abc import Callable, Generator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from flywheel.errors import InvalidInput
from flywheel.imports import Importer, ImportReport, importing
from flywheel.roles import Principal, Role, require
from flywheel.steps import Step
from flywheel.words.catalogue import say
from storage.hub import Hub

PREFIX = "hf://datasets/"
NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]{1,200}))?")
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
NOT_ROWS = (
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "*config*.json", "*metadata*.json",
    "flywheel.json", "lineage.json", "package*.json",
)  # fmt: skip
"""Files that are about a dataset."""
MOST_BYTES = 5_000_000_000
MOST_FILES = 1_000
HELD_OUT = (("test", re.compile(r"(?:^|[^a-z])test(?:[^a-z]|$)")), ("validation", re.compile(r"(?:^|[^a-z])valid")))


def named(text: str) -> tuple[str, str | None] | None:
    """Repository and revision of `hf://datasets/owner/name@revision`, or of `owner/name` where no file is called so."""
    given = text.removeprefix(PREFIX)
    found = NAME.fullmatch(given)
    if found is None or "..." in given or (given == text and (text.endswith(SUFFIXES) or Path(text).exists())):
        return None
    return found["repo"], found["revision"]


def importing_from_hub(
    hub: Callable[[], Hub],
    importer: Importer,
    who: Principal,
    repo: str,
    revision: str | None = None,
    *,
    format: str | None = None,
    split: str | None = None,
    approved: bool = False,
) -> Generator[Step, None, list[tuple[str, ImportReport]]]:
    """Fetch and import; yields words and how far it is, returns each file with its report.

    A file called `test` or `validation` keeps its side, unless `split` names one. Raises HubMissing, HubDenied and the
    like in words; InvalidInput where there is nothing to read.
    """
    require(who, Role.REVIEWER)
    door = hub()
    yield say("import.looking", repo=repo), None
    sha = door.resolve(repo, revision, kind="dataset")
    sizes = {path: file.size for path, file in door.files(repo, sha, kind="dataset").items() if _holds_rows(path)}
    _refuse_unreadable(repo, sizes)
    yield say("import.fetching", count=len(sizes), repo=repo, size=f"{sum(sizes.values()) / 1e6:,.1f}"), None
    patterns = [re.sub(r"([*?[])", r"[\1]", path) for path in sizes]
    folder = door.download(repo, sha, patterns, kind="dataset")
    reports = []
    for number, path in enumerate(sorted(sizes)):
        how: dict[str, Any] = {"format": format, "split": split or _side(path), "approved": approved}
        work = importing(importer, who, folder / path, **how, name=f"{repo}@{sha[:12]}/{path}")
        report = yield from _told(work, f"importing {path}", number / len(sizes), 1 / len(sizes))
        reports.append((path, report))
    return reports


def _told(
    work: Generator[float, None, ImportReport], words: str, start: float, share: float
) -> Generator[Step, None, ImportReport]:
    while True:
        try:
            fraction = next(work)
        except StopIteration as done:
            report: ImportReport = done.value
            return report
        yield words, start + share * fraction


def _holds_rows(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    hidden = any(part.startswith(".") for part in path.split("/"))
    return name.endswith(SUFFIXES) and not hidden and not any(fnmatchcase(name, known) for known in NOT_ROWS)


def _refuse_unreadable(repo: str, sizes: dict[str, int]) -> None:
    if not sizes:
        listed = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
        raise InvalidInput(say("error.hub.no_rows_file", repo=repo, listed=listed))
    total = sum(sizes.values())
    if total > MOST_BYTES or len(sizes) > MOST_FILES:
        raise InvalidInput(
            say(
                "error.hub.too_much",
                repo=repo,
                count=f"{len(sizes):,}",
                size=f"{total / 1e9:,.1f}",
                most=f"{MOST_FILES:,}",
                most_size=f"{MOST_BYTES / 1e9:.0f}",
            )
        )


def _side(path: str) -> str | None:
    """The side that a file's name holds out; rows of any other file are placed by the freeze."""
    return next((side for side, pattern in HELD_OUT if pattern.search(path.lower())), None)
