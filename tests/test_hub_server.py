"""The test Hub answers the real client as the Hub does; what the product's Hub tests rest on."""

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from tests.support.hub.server import HubServer
from tests.support.tiny import make_tiny_model

SHOP = "alice/shop"


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.writer)


def commit(api: HfApi, files: dict[str, bytes], **given: str) -> str:
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return str(api.create_commit(SHOP, operations, commit_message="a commit", **given).oid)


def status_of(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(error.value.response.status_code)


def test_one_commit_holds_small_and_large_files(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP, private=True)
    sha = commit(api, {"model.safetensors": b"w" * 2_000_000, "adapter/config.json": b"{}"})
    repo = hub.repo("model", SHOP)
    assert [made.sha for made in repo.commits][1:] == [sha]
    assert repo.file("model.safetensors") == b"w" * 2_000_000
    assert repo.listing()["model.safetensors"].sha256 and not repo.listing()["adapter/config.json"].sha256
    assert len(hub.asked("PUT", "/cdn/")) == 1


def test_what_is_there_is_not_sent_again(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP)
    first = commit(api, {"model.safetensors": b"w" * 1000})
    assert commit(api, {"model.safetensors": b"w" * 1000}) == first
    assert len(hub.asked("PUT", "/cdn/")) == 1 and len(hub.asked("POST", "/commit/")) == 1


def test_a_stale_parent_is_refused(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP)
    stale = hub.repo("model", SHOP).head.sha
    commit(api, {"a": b"1"}, parent_commit=stale)
    with pytest.raises(HfHubHTTPError) as error:
        commit(api, {"b": b"2"}, parent_commit=stale)
    assert status_of(error) == 412
    assert "b" not in hub.repo("model", SHOP).listing()


def test_a_tag_stays_where_it_is(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP)
    first = commit(api, {"a": b"1"})
    api.create_tag(SHOP, tag="v1", revision=first)
    commit(api, {"a": b"2"})
    with pytest.raises(HfHubHTTPError) as error:
        api.create_tag(SHOP, tag="v1")
    assert status_of(error) == 409
    api.create_tag(SHOP, tag="v1", exist_ok=True)
    assert hub.repo("model", SHOP).tags == {"v1": first}
    assert hub.repo("model", SHOP).file("a", "v1") == b"1"


@pytest.mark.parametrize(
    ("token", "read", "write"), [("reader", 0, 403), ("stranger", 404, 404), ("wrong", 401, 401), ("none", 401, 401)]
)
def test_a_private_repository_is_for_its_own(hub: HubServer, api: HfApi, token: str, read: int, write: int) -> None:
    api.create_repo(SHOP, private=True)
    other = HfApi(endpoint=hub.url, token={"wrong": "hf_wrong", "none": False}.get(token) or getattr(hub, token, False))
    if read:
        with pytest.raises(HfHubHTTPError) as error:
            other.repo_info(SHOP)
        assert status_of(error) == read
    with pytest.raises(HfHubHTTPError) as error:
        other.create_commit(SHOP, [CommitOperationAdd("a", b"1")], commit_message="no")
    assert status_of(error) == write


def test_download_follows_to_the_store_of_large_files(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(SHOP)
    sha = commit(api, {"model.safetensors": b"w" * 1000, "folder/a.txt": b"text"})
    commit(api, {"folder/a.txt": b"later"})
    folder = Path(snapshot_download(SHOP, revision=sha, endpoint=hub.url, token=hub.writer, cache_dir=tmp_path / "c"))
    assert (folder / "model.safetensors").read_bytes() == b"w" * 1000
    assert (folder / "folder/a.txt").read_bytes() == b"text"


def test_files_and_folders_can_be_deleted(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP)
    commit(api, {"adapter/a": b"1", "adapter/b": b"2", "c": b"3"})
    gone = [CommitOperationDelete("adapter/", is_folder=True), CommitOperationDelete("c")]
    api.create_commit(SHOP, gone, commit_message="less")
    assert list(hub.repo("model", SHOP).listing()) == [".gitattributes"]


def test_secrets_of_a_space_can_only_be_named(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP, repo_type="space", space_sdk="gradio")
    api.add_space_secret(SHOP, "HF_TOKEN", "hf_hidden")
    api.add_space_variable(SHOP, "FLYWHEEL_TASK", "chat")
    assert list(api.get_space_secrets(SHOP)) == ["HF_TOKEN"]
    assert api.get_space_variables(SHOP)["FLYWHEEL_TASK"].value == "chat"
    assert api.request_space_hardware(SHOP, "t4-small").requested_hardware == "t4-small"
    assert hub.repo("space", SHOP).secrets == {"HF_TOKEN": "hf_hidden"}


def test_faults_strike_as_often_as_told(hub: HubServer, api: HfApi) -> None:
    api.create_repo(SHOP)
    hub.fault("POST", "/commit/", status=504, after=True)
    with pytest.raises(HfHubHTTPError):
        commit(api, {"a": b"1"})
    assert hub.repo("model", SHOP).file("a") == b"1", "the work was done before the fault"
    commit(api, {"b": b"1"})


@pytest.mark.slow
def test_a_tagged_model_loads_by_its_name(hub: HubServer, tmp_path: Path) -> None:
    repo = hub.add("model", SHOP, make_tiny_model(tmp_path / "one", seed=1))
    repo.tags["v1"] = repo.head.sha
    hub.add("model", SHOP, make_tiny_model(tmp_path / "two", seed=2))
    code = (
        "from transformers import AutoModelForCausalLM as M\n"
        f"a = M.from_pretrained({SHOP!r}, revision='v1'); b = M.from_pretrained({str(tmp_path / 'one')!r})\n"
        "print(all((x == y).all() for x, y in zip(a.parameters(), b.parameters(), strict=True)))"
    )
    environment = {"HF_HOME": str(tmp_path / "home"), "PATH": "", **hub.environment(hub.reader)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr[-2000:]
