"""Datasets from the Hub and to it, through the real client."""

import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from flywheel import hub_import
from flywheel.dataset_push import DatasetPush, Pushed
from flywheel.errors import Forbidden, InvalidInput, Refused
from flywheel.hub_import import importing_from_hub, named
from flywheel.imports import ImportReport
from flywheel.tasks.chat import ChatTask
from storage.errors import HubBusy, HubDenied, HubMissing
from storage.examples import NewExample
from storage.hub import Hub, Patience
from storage.publications import PublicationStore
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk, asked
from tests.support.hub.faults import Fault
from tests.support.hub.server import HubServer

SHOP = "alice/rows"
QUICK = Patience(timeout_s=2, read_s=2, write_s=1, first_s=0.01, most_s=0.05)
LOAD = """
import json, sys
from datasets import load_dataset
found = load_dataset(sys.argv[1], revision=sys.argv[2])
print(json.dumps({side: rows.to_list() for side, rows in found.items()}))
"""
T = TypeVar("T")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


def ended(work: Generator[Any, None, T]) -> T:
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: T = done.value
            return found


def bring(desk: Desk, hub: HubServer, repo: str, revision: str | None = None, **how: Any) -> dict[str, ImportReport]:
    door = Hub(hub.url, how.pop("token", hub.writer), QUICK)
    return dict(ended(importing_from_hub(lambda: door, desk.importer, REVIEWER, repo, revision, **how)))


def push(desk: Desk, hub: HubServer, dataset: str = "d1", **how: Any) -> Pushed:
    pusher = DatasetPush(PublicationStore(desk.database), desk.datasets, lambda: Hub(hub.url, hub.writer, QUICK), SHOP)
    return ended(pusher.push(OWNER, dataset, **how))


def put(hub: HubServer, repo: str, files: dict[str, bytes], private: bool = False) -> str:
    api = HfApi(endpoint=hub.url, token=hub.writer)
    api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return str(api.create_commit(repo, operations, commit_message="rows", repo_type="dataset").oid)


def row(question: str) -> bytes:
    return json.dumps({"prompt": question, "completion": "yes"}).encode() + b"\n"


def frozen(desk: Desk) -> None:
    desk.approved([(f"question {i} about thing {i} and part {i}", f"answer {i}") for i in range(40)])
    held = NewExample(asked("whose is ann@example.com"), "hers", state="approved")
    [id], _ = desk.examples.add_many([held], by=OWNER.id)
    desk.examples.decide(id, "approved", reason="a shop of ours", expected_event=None, by=OWNER.id)
    desk.datasets.freeze(OWNER)


def test_pushed_version_is_loaded_with_its_rows_and_splits(desk: Desk, hub: HubServer, tmp_path: Path) -> None:
    frozen(desk)
    done = push(desk, hub)
    assert done.state == "published" and done.publication.tag == "d1"
    repo = hub.repo("dataset", SHOP)
    assert repo.private and repo.tags == {"d1": repo.head.sha}
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.writer, "HF_HOME": str(tmp_path / "hf"), "PATH": "/usr/bin"}
    out = subprocess.run(
        [sys.executable, "-c", LOAD, SHOP, "d1"], env=environment, capture_output=True, text=True, timeout=240
    )
    assert out.returncode == 0, out.stderr
    loaded = json.loads(out.stdout)
    counts = desk.datasets.listing(OWNER)[0].counts
    assert {side: len(rows) for side, rows in loaded.items()} == counts
    told = {row["prompt"][-1]["content"]: row["completion"][0]["content"] for rows in loaded.values() for row in rows}
    assert told["question 7 about thing 7 and part 7"] == "answer 7"
    assert "whose is [EMAIL]" in told and b"ann@example.com" not in repo.file("README.md")


def test_pushing_again_changes_nothing(desk: Desk, hub: HubServer) -> None:
    frozen(desk)
    push(desk, hub)
    commits = len(hub.repo("dataset", SHOP).commits)
    again = push(desk, hub)
    assert again.state == "unchanged" and "published already" in again.words
    pusher = DatasetPush(PublicationStore(desk.database), desk.datasets, lambda: Hub(hub.url, hub.writer, QUICK), SHOP)
    assert [(one.version, one.state) for one in pusher.history(OWNER)] == [("d1", "published")]
    assert len(hub.repo("dataset", SHOP).commits) == commits


def test_a_tag_that_stands_elsewhere_is_refused(desk: Desk, hub: HubServer) -> None:
    frozen(desk)
    push(desk, hub)
    api = HfApi(endpoint=hub.url, token=hub.writer)
    api.delete_tag(SHOP, tag="d1", repo_type="dataset")
    sha = put(hub, SHOP, {"flywheel.json": b'{"content_hash": "another"}'})
    api.create_tag(SHOP, tag="d1", revision=sha, repo_type="dataset")
    with pytest.raises(Refused, match="has a tag `d1` that is not this version"):
        push(desk, hub)
    put(hub, "alice/theirs", {"train.csv": b"prompt,completion\n1,2\n"}, private=True)
    with pytest.raises(Refused, match="was not published from here"):
        push(desk, hub, repo="alice/theirs")
    put(hub, "alice/open", {"notes.txt": b"x"})
    with pytest.raises(Refused, match="Everyone can read"):
        push(desk, hub, repo="alice/open")


def test_broken_push_goes_on_where_it_was(desk: Desk, hub: HubServer) -> None:
    frozen(desk)
    hub.faults.add(Fault("POST", re.compile("/tag/"), 500, times=500))
    with pytest.raises(HubBusy, match="publish again, and it goes on from here"):
        push(desk, hub)
    hub.faults.clear()
    commits = len(hub.repo("dataset", SHOP).commits)
    assert push(desk, hub).state == "published"
    assert len(hub.repo("dataset", SHOP).commits) == commits


def test_withdrawn_rows_are_not_pushed(desk: Desk, hub: HubServer) -> None:
    example = desk.corrected("which bike is mine", "The red one.", "The green one.")
    desk.curation.approve(REVIEWER, example.id)
    frozen(desk)
    desk.consents.choose(GUEST.id, "no", by=GUEST.id)
    push(desk, hub)
    repo = hub.repo("dataset", SHOP)
    assert not any(b"green one" in repo.file(path) for path in repo.listing())
    assert json.loads(repo.file("flywheel.json"))["withdrawn"] == 1


def test_rows_withdrawn_after_the_push_are_told(desk: Desk, hub: HubServer) -> None:
    example = desk.corrected("which bike is mine", "The red one.", "The green one.")
    desk.curation.approve(REVIEWER, example.id)
    frozen(desk)
    push(desk, hub)
    desk.consents.choose(GUEST.id, "no", by=GUEST.id)
    assert "1 of its rows were withdrawn since" in push(desk, hub).words


def test_dataset_of_the_hub_comes_in_by_file_and_side(desk: Desk, hub: HubServer) -> None:
    files = {"data/train.jsonl": row("one") + row("two") + b"{\n", "data/test.jsonl": row("three"), "load.py": b"boom"}
    sha = put(hub, "alice/others", files | {"dataset_infos.json": b"{}", ".hidden/train.jsonl": row("hidden")})
    put(hub, "alice/others", {"data/train.jsonl": row("later")})
    reports = bring(desk, hub, "alice/others", sha)
    assert {path: (r.added, len(r.bad)) for path, r in reports.items()} == {
        "data/train.jsonl": (2, 1),
        "data/test.jsonl": (1, 0),
    }
    assert {e.prompt[0]["content"]: e.split for e in desk.examples.listing()} == {
        "one": None,
        "two": None,
        "three": "test",
    }
    assert all(e.source.startswith(f"import:alice/others@{sha[:12]}/data/") for e in desk.examples.listing())
    assert sum(r.added for r in bring(desk, hub, "alice/others", sha).values()) == 0


def test_pushed_version_comes_back_on_its_sides(desk: Desk, hub: HubServer, tmp_path: Path) -> None:
    frozen(desk)
    push(desk, hub)
    other = Desk.open(tmp_path / "other", ChatTask("Be kind."))
    bring(other, hub, SHOP, "d1")
    held = {e.split for e in other.examples.listing(limit=100)}
    assert held == {None, "test", "validation"}
    other.database.close()


@pytest.mark.parametrize(
    ("repo", "token", "error", "words"),
    [
        ("alice/gone", "writer", HubMissing, "has no `alice/gone`"),
        ("alice/secret", "stranger", HubMissing, "or the token in HF_TOKEN may not see it"),
        ("alice/secret", "", HubMissing, "or it is private: set HF_TOKEN to see it"),
    ],
)
def test_private_and_gone_datasets_are_said_in_words(
    desk: Desk, hub: HubServer, repo: str, token: str, error: type[Exception], words: str
) -> None:
    put(hub, "alice/secret", {"train.jsonl": row("one")}, private=True)
    with pytest.raises((error, HubDenied)) as caught:
        bring(desk, hub, repo, token=getattr(hub, token) if token else None)
    assert words in str(caught.value) or "HF_TOKEN" in str(caught.value)


def test_datasets_of_code_or_too_large_are_refused(desk: Desk, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    put(hub, "alice/code", {"rows.py": b"raise SystemExit", "config.json": b"{}"})
    with pytest.raises(InvalidInput, match="code of a dataset is never run"):
        bring(desk, hub, "alice/code")
    put(hub, "alice/others", {"train.jsonl": row("one")})
    monkeypatch.setattr(hub_import, "MOST_BYTES", 3)
    with pytest.raises(InvalidInput, match="Download the files you want"):
        bring(desk, hub, "alice/others")
    with pytest.raises(HubMissing, match="no such revision"):
        bring(desk, hub, "alice/others", "v9")


def test_only_the_owner_pushes(desk: Desk, hub: HubServer) -> None:
    frozen(desk)
    pusher = DatasetPush(PublicationStore(desk.database), desk.datasets, lambda: Hub(hub.url, hub.writer, QUICK), SHOP)
    with pytest.raises(Forbidden):
        ended(pusher.push(REVIEWER, "d1"))
    readers = DatasetPush(PublicationStore(desk.database), desk.datasets, lambda: Hub(hub.url, hub.reader, QUICK), SHOP)
    with pytest.raises(HubDenied, match="can only read"):
        ended(readers.push(OWNER, "d1"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alice/rows", ("alice/rows", None)),
        ("alice/rows@d3", ("alice/rows", "d3")),
        ("hf://datasets/alice/rows.csv", ("alice/rows.csv", None)),
        ("folder/rows.jsonl", None),
        ("/tmp/rows", None),
        ("rows", None),
    ],
)
def test_names_of_the_hub_are_told_from_files(text: str, found: object) -> None:
    assert named(text) == found
