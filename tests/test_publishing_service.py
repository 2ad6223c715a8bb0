"""Publishing through the real client against a Hub that goes wrong in every way it can."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flywheel.errors import Conflict, Forbidden, InvalidInput, NotFound, Refused
from flywheel.merging import Merging
from flywheel.origins import Origins
from flywheel.publishing import Progress, Publishing
from flywheel.serving.engine import Sampling
from flywheel.serving.local import LocalEngine
from storage.errors import HubBusy, HubConflict, HubDenied
from storage.hub import Hub, Patience
from storage.publications import PublicationStore
from tests.support.adapters import make_adapter
from tests.support.hub.server import HubServer
from tests.support.shelf import add_version, settle
from tests.support.station import OWNER, REVIEWER, Station, open_station, settings_for
from tests.support.tiny import make_tiny_model
from trainers import environment, merge

SHOP = "alice/shop"
QUICK = Patience(timeout_s=2, read_s=2, write_s=5, first_s=0.01, most_s=0.05)
HURRIED = Patience(timeout_s=0.5, read_s=0.1, write_s=0.1, first_s=0.01, most_s=0.05)
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    folder = make_tiny_model(tmp_path_factory.mktemp("base"))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n")
    (folder / "LICENSE").write_text("MIT, by the makers of tiny models")
    return folder


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(base, folder / str(seed), seed=seed, strength=0.05) for seed in (1, 2)]


@pytest.fixture(scope="module")
def kept(base: Path, adapters: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The merged models of v1 and v2, made once."""
    station = open_station(settings_for(tmp_path_factory.mktemp("kept") / "home", base))
    merging, folders = Merging(station.home, station.base, station.versions), []
    for adapter in adapters:
        version = station.versions.sound(OWNER, add_version(station, adapter))
        made = station.home.merged_dir(version.id)
        merging._prepare(version, made, merging._of(version))
        assert merge.run(made) == 0
        folders.append(tmp_path_factory.mktemp("merged") / version.id)
        shutil.copytree(made, folders[-1])
    station.close()
    return folders


@pytest.fixture(autouse=True)
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainers keep this process off the network; here it talks to the test Hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def station(base: Path, adapters: list[Path], tmp_path: Path) -> Iterator[Station]:
    """A home with v1, which the gate passes."""
    station = open_station(settings_for(tmp_path / "home", base))
    add_version(station, adapters[0])
    yield station
    settle()
    station.close()


@pytest.fixture
def merged(station: Station, kept: list[Path]) -> Station:
    """As `station`, and v1 was merged before."""
    shutil.copytree(kept[0], station.home.merged_dir("v1"))
    return station


def service(station: Station, hub: HubServer, token: str | None = None, patience: Patience = QUICK) -> Publishing:
    return Publishing(
        PublicationStore(station.database),
        station.versions,
        Merging(station.home, station.base, station.versions),
        Origins(station.home, station.base, station.runs, station.datasets),
        lambda: Hub(hub.url, hub.writer if token is None else token, patience),
        SHOP,
    )


def publish(publishing: Publishing, name: str = "v1", **given: Any) -> Progress:
    steps = publishing.publish(OWNER, name, **given)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            done: Progress = end.value
            return done


def second(station: Station, adapters: list[Path], kept: list[Path]) -> None:
    """v2, which was overridden and merged."""
    add_version(station, adapters[1], right=0)
    station.versions.promote(OWNER, "v2", override="I looked at them")
    shutil.copytree(kept[1], station.home.merged_dir("v2"), dirs_exist_ok=True)


def test_a_published_version_answers_as_the_app_does(station: Station, hub: HubServer, base: Path) -> None:
    folder = station.home.version_dir("v1")
    run = station.home.run_dir(1)
    for planted in (run / "training_args.bin", run / "optimizer.pt", folder.parent / "ref.safetensors"):
        planted.write_bytes(b"secret")
    done = publish(service(station, hub))
    repo = hub.repo("model", SHOP)
    assert (done.state, repo.private, repo.tags) == ("published", True, {"v1": repo.head.sha})
    assert len(repo.commits) == 2
    assert set(repo.listing()) == {
        ".gitattributes", "LICENSE", "README.md", "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
        "chat_template.jinja", "config.json", "generation_config.json", "lineage.json", "model.safetensors",
        "scores.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    told = b"".join(repo.file(path) for path in repo.listing() if not path.endswith(".safetensors"))
    for private in (str(station.home.path), str(base), "local:owner", "how many orders in", hub.writer):
        assert private.encode() not in told, private
    assert json.loads(repo.file("adapter/adapter_config.json"))["base_model_name_or_path"] is None
    card = repo.file("README.md").decode()
    assert "20 validation" not in card and "| imported | 12 | 0 | 30 |" in card and "100.0% (83.9% to 100.0%)" in card
    assert told_by_a_stranger(hub, card) == told_by_the_app(station)


def told_by_the_app(station: Station) -> str:
    engine = LocalEngine(station.base.location, None, station.versions.adapter, name="tiny")
    try:
        assert engine.wait_ready(60)[0], engine.ready()[1]
        asked = [{"role": "user", "content": "Hello"}]
        return engine.submit(asked, "v1", Sampling(max_new_tokens=128)).result().text.strip()
    finally:
        engine.close()


def told_by_a_stranger(hub: HubServer, card: str) -> str:
    """What the card's own code prints on a machine that has the token and nothing else."""
    found = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert found is not None
    code = "from transformers.utils.logging import disable_progress_bar; disable_progress_bar()\n" + found[1]
    environment = hub.environment(hub.writer) | {"HF_HOME": str(hub.store.path("elsewhere")), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_again_changes_nothing_and_says_so(merged: Station, hub: HubServer) -> None:
    publishing = service(merged, hub)
    first = publish(publishing)
    asked = len(hub.asked("POST", "/commit/|/tag/"))
    again = publish(publishing)
    assert again.state == "unchanged"
    assert "published already" in again.words
    assert again.publication == first.publication
    assert len(hub.asked("POST", "/commit/|/tag/")) == asked
    assert len(publishing.history(OWNER)) == 1


def test_what_was_published_is_on_record(merged: Station, hub: HubServer) -> None:
    assert merged.versions.show(OWNER, "v1").publication is None
    publish(service(merged, hub))
    found = merged.versions.show(OWNER, "v1").publication
    assert found is not None
    assert (found.repo, found.tag, found.visibility, found.by) == (SHOP, "v1", "private", "local:owner")
    assert found.commit == hub.repo("model", SHOP).head.sha
    assert found.ended is not None


def test_a_tag_that_is_not_ours_is_refused(station: Station, hub: HubServer) -> None:
    repo = hub.add("model", SHOP, {"notes.txt": b"mine"}, private=True)
    repo.tags["v1"] = repo.head.sha
    with pytest.raises(Refused, match="has a tag `v1` that is not this version"):
        publish(service(station, hub))
    assert not station.home.merged.exists()
    assert hub.asked("POST", "/commit/|/tag/") == []


@pytest.mark.parametrize(
    ("token", "words"),
    [("hf_alicereadsreadsreads", "can only read"), ("hf_nobody", "does not know the token"), ("", "no token")],
)
def test_a_token_that_may_not_fails_before_anything(station: Station, hub: HubServer, token: str, words: str) -> None:
    publishing = service(station, hub, token)
    with pytest.raises(HubDenied, match=words):
        publish(publishing)
    assert not station.home.merged.exists()
    assert list(hub.store) == []
    progress = publishing.progress(OWNER)
    assert progress is not None
    assert (progress.state, words in progress.words) == ("failed", True)


def test_only_what_the_gate_passed_goes_out(station: Station, hub: HubServer, adapters: list[Path]) -> None:
    add_version(station, adapters[1], right=0)
    add_version(station, adapters[1], right=None)
    publishing = service(station, hub)
    with pytest.raises(Refused, match=r"v2 is not published: the gate says `refused`.*0 of 20"):
        publish(publishing, "v2")
    with pytest.raises(Refused, match="v3 is not published: the gate says `undecided`"):
        publish(publishing, "v3")
    with pytest.raises(InvalidInput, match="no adapter"):
        publish(publishing, "v0")
    with pytest.raises(NotFound):
        publish(publishing, "v9")
    with pytest.raises(Forbidden):
        publishing.start(REVIEWER, "v1")
    with pytest.raises(InvalidInput, match="Set FLYWHEEL_HUB_REPO"):
        publish(publishing, repo="  ")
    assert hub.log == []


def test_an_override_is_told_on_the_card(
    merged: Station, hub: HubServer, adapters: list[Path], kept: list[Path]
) -> None:
    second(merged, adapters, kept)
    publish(service(merged, hub), "v2")
    repo = hub.repo("model", SHOP)
    assert json.loads(repo.file("lineage.json"))["gate"] == {"state": "refused", "overridden": True}
    assert "its owner overrode it" in repo.file("README.md").decode()
    assert b"I looked at them" not in b"".join(repo.file(path) for path in repo.listing())


def test_main_is_the_last_one_published(
    merged: Station, hub: HubServer, adapters: list[Path], kept: list[Path]
) -> None:
    publish(service(merged, hub))
    repo = hub.repo("model", SHOP)
    shards = {"files": [*json.loads(repo.file("lineage.json"))["files"], "model-00001-of-00002.safetensors"]}
    hub.add("model", SHOP, {"lineage.json": json.dumps(shards).encode(), "model-00001-of-00002.safetensors": b"old"})
    hub.add("model", SHOP, {"a-note-of-mine.txt": b"stays"})
    second(merged, adapters, kept)
    done = publish(service(merged, hub), "v2")
    assert done.publication is not None
    assert (repo.head.sha, repo.tags["v2"]) == (done.publication.commit, done.publication.commit)
    assert json.loads(repo.file("lineage.json"))["version"] == "v2"
    assert json.loads(repo.file("lineage.json", "v1"))["version"] == "v1"
    assert "model-00001-of-00002.safetensors" not in repo.listing()
    assert "a-note-of-mine.txt" in repo.listing()


def test_others_repositories_are_left_alone(station: Station, hub: HubServer) -> None:
    hub.add("model", SHOP, {"model.safetensors": b"somebody's"}, private=True)
    with pytest.raises(Refused, match="not published from here"):
        publish(service(station, hub))
    hub.add("model", "alice/open", {"README.md": b"hi"})
    with pytest.raises(Refused, match=r"Everyone can read `alice/open`. Give --public"):
        publish(service(station, hub), repo="alice/open")
    hub.add("model", "alice/closed", {"README.md": b"hi"}, private=True)
    with pytest.raises(Refused, match="is private, and it was to be public"):
        publish(service(station, hub), repo="alice/closed", public=True)
    assert not station.home.merged.exists()


def test_public_when_told(merged: Station, hub: HubServer) -> None:
    publish(service(merged, hub), repo="alice/open", public=True)
    assert not hub.repo("model", "alice/open").private


FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "conflict": ("POST", "/commit/", {"status": 409}),
    "moved on": ("POST", "/commit/", {"status": 412}),
    "too many": ("POST", "/commit/", {"status": 429, "headers": {"Retry-After": "0"}}),
    "broken": ("POST", "/commit/", {"status": 500}),
    "cut": ("PUT", "/cdn/", {"cut": 1000}),
    "done but lost": ("POST", "/commit/", {"status": 504, "after": True}),
    "tag broken": ("POST", "/tag/", {"status": 503}),
    "tag done but lost": ("POST", "/tag/", {"status": 504, "after": True}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_waited_for(merged: Station, hub: HubServer, fault: str) -> None:
    method, path, given = FAULTS[fault]
    hub.fault(method, path, **given)
    assert publish(service(merged, hub)).state == "published"
    repo = hub.repo("model", SHOP)
    assert (len(repo.commits), repo.tags) == (2, {"v1": repo.head.sha})


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if "lost" not in fault])
def test_what_stays_broken_leaves_the_old_version_whole(
    merged: Station, hub: HubServer, adapters: list[Path], kept: list[Path], fault: str
) -> None:
    publish(service(merged, hub))
    repo, old = hub.repo("model", SHOP), dict(hub.repo("model", SHOP).listing())
    second(merged, adapters, kept)
    method, path, given = FAULTS[fault]
    hub.fault(method, path, **{**given, "times": 100})
    with pytest.raises((HubBusy, HubConflict), match=r"before is whole; publish again"):
        publish(service(merged, hub, patience=HURRIED), "v2")
    assert repo.listing("v1") == old
    if "tag" not in fault:
        assert repo.listing() == old
    assert [one.state for one in service(merged, hub).history(OWNER)] == ["failed", "published"]
    hub.faults.clear()
    publish(service(merged, hub), "v2")
    assert len(repo.commits) == 3, "the next try goes on; nothing is committed twice"
    assert repo.tags["v2"] == repo.head.sha


def test_two_at_once_are_refused(merged: Station, hub: HubServer) -> None:
    publishing = service(merged, hub)
    hub.fault("GET", "/api/whoami", delay_s=0.4)
    steps = publishing.publish(OWNER, "v1")
    next(steps)
    with pytest.raises(Conflict, match="v1 is being published"):
        publishing.start(OWNER, "v1", "alice/other")
    assert [words for words, _ in steps][-1:] != []
    assert publishing.start(OWNER, "v1").state == "running"
    publishing.close()


def test_a_try_that_was_cut_off_is_seen_and_goes_on(merged: Station, hub: HubServer) -> None:
    PublicationStore(merged.database).start(version="v1", repo=SHOP, visibility="private", by=OWNER.id)
    publishing = service(merged, hub)
    # A dataset that was sent is no model: it is told where datasets are.
    PublicationStore(merged.database).start(version="d1", repo=SHOP, visibility="private", by=OWNER.id)
    assert [one.state for one in publishing.history(OWNER)] == ["started"]
    publish(publishing)
    assert [one.state for one in publishing.history(OWNER)] == ["published", "started"]
