"""The base model from the Hub: what is fetched, what is refused, and what happens when the Hub is away."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.base_fetch import BaseFetch, Closing
from flywheel.base_model import BaseModel, base_model, front_matter
from flywheel.errors import Unavailable
from flywheel.serving.loading import Base
from flywheel.settings import read
from storage.errors import HubMissing
from storage.home import Home
from storage.hub import Hub, Patience
from tests.support.hub.server import HubServer
from tests.support.tiny import make_tiny_model
from trainers.job import JobError

NAME = "alice/tiny"
QUICK = Patience(timeout_s=2, read_s=0.05, write_s=0.05, first_s=0.01, most_s=0.02)
CARD = b"---\nlicense: other\nlicense_name: shop-1.0\n---\n# Tiny\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


class Told(list[str]):
    """What was said, `stuck` ones with a mark before them."""

    def __call__(self, words: str, *, stuck: bool = False) -> None:
        self.append(("stuck: " if stuck else "") + words)


def base_of(home: Home, name: str = NAME) -> BaseModel:
    return base_model(replace(read({}), base_model=name), home)


def fetch(hub: HubServer, base: BaseModel, told: Told | None = None) -> Base:
    fetcher = BaseFetch(base, Hub(hub.url, hub.reader, QUICK), retry_s=0.05)
    return fetcher.prepare(told if told is not None else Told(), threading.Event())


def test_only_what_a_model_needs_is_fetched(hub: HubServer, home: Home, tiny: Path) -> None:
    extra = {
        "README.md": CARD,
        "LICENSE": b"terms",
        "run.py": b"evil",
        "pytorch_model.bin": b"p",
        "onnx/model.json": b"{}",
    }
    hub.add("model", NAME, tiny, private=True)
    repo = hub.add("model", NAME, extra)
    base, told = base_of(home), Told()
    assert fetch(hub, base, told) == (NAME, repo.head.sha, "")
    names = {path.relative_to(base.present()).as_posix() for path in base.present().rglob("*") if path.is_file()}
    assert names == {path.name for path in tiny.iterdir()} | {"README.md", "LICENSE"}
    assert told[-1].startswith(f"downloading `{NAME}`: 100 % of ")
    assert any("fetching" in words for words in told)


def test_what_is_said_of_a_base_goes_with_its_versions(hub: HubServer, home: Home, tiny: Path) -> None:
    hub.add("model", NAME, tiny)
    sha = hub.add("model", NAME, {"README.md": CARD, "LICENSE": b"terms"}).head.sha
    base = base_of(home, f"{NAME}@main")
    with pytest.raises(Unavailable, match="not here yet"):
        base.record()
    fetch(hub, base)
    record = base.record()
    assert (record.name, record.revision, record.architecture) == (NAME, sha, "LlamaForCausalLM")
    assert (record.licence, record.licence_name) == ("other", "shop-1.0")
    assert [path.name for path in record.licence_files] == ["LICENSE"] and record.parameters == 106_816


def test_a_home_stays_with_its_commit(hub: HubServer, home: Home, tiny: Path) -> None:
    first = hub.add("model", NAME, tiny).head.sha
    fetch(hub, base_of(home))
    hub.add("model", NAME, {"config.json": b"{}"})
    asked = len(hub.log)
    again = base_of(home)
    assert again.fingerprint == first
    assert fetch(hub, again) == (NAME, first, "")
    assert len(hub.log) == asked, "what is in the cache needs no Hub"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}, "needs code of its own"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.T", None]}}, "needs code of its own"),
        ("adapter_config.json", {}, "is an adapter"),
    ],
)
def test_code_is_refused_before_the_weights_come(
    hub: HubServer, home: Home, tiny: Path, file: str, content: object, words: str
) -> None:
    hub.add("model", NAME, tiny)
    hub.add("model", NAME, {file: json.dumps(content).encode()})
    with pytest.raises(JobError, match=words):
        fetch(hub, base_of(home))
    assert not hub.asked("GET", "/cdn/")


def test_pickled_weights_are_refused_in_words(hub: HubServer, home: Home) -> None:
    hub.add("model", NAME, {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    with pytest.raises(JobError, match="no safetensors weights"):
        fetch(hub, base_of(home))


def test_a_model_that_is_not_there_is_named(hub: HubServer, home: Home, tiny: Path) -> None:
    with pytest.raises(HubMissing, match=f"has no `{NAME}`"):
        fetch(hub, base_of(home))
    hub.add("model", NAME, tiny)
    with pytest.raises(HubMissing, match="no such revision"):
        fetch(hub, base_of(home, f"{NAME}@v9"))


def test_it_goes_on_when_the_hub_is_back(hub: HubServer, home: Home, tiny: Path) -> None:
    hub.add("model", NAME, tiny)
    hub.stop()
    base, told = base_of(home), Told()
    thread = threading.Thread(target=fetch, args=(hub, base, told))
    thread.start()
    while not told:
        thread.join(0.01)
    assert told[0].startswith(f"stuck: `{NAME}` is not here yet. The Hub") and "Tried again every" in told[0]
    hub.start()
    thread.join(20)
    assert base.folder is not None and (base.folder / "model.safetensors").is_file()


def test_without_the_hub_the_cache_is_used(hub: HubServer, home: Home, tiny: Path, tmp_path: Path) -> None:
    sha = hub.add("model", NAME, tiny).head.sha
    fetch(hub, base_of(home))
    hub.stop()
    other = base_of(Home.open(tmp_path / "other"))
    assert other.fingerprint is None
    assert fetch(hub, other) == (NAME, sha, "from the cache, because the Hub cannot be reached")


def test_closing_ends_the_waiting(hub: HubServer, home: Home) -> None:
    hub.stop()
    closing = threading.Event()
    closing.set()
    with pytest.raises(Closing):
        BaseFetch(base_of(home), Hub(hub.url, None, QUICK)).prepare(Told(), closing)


@pytest.mark.parametrize("missing", ["everything", "config", "part"])
def test_an_unfit_folder_is_told_before_anything_loads(tmp_path: Path, home: Home, tiny: Path, missing: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    if missing != "everything":
        (folder / "model-00001-of-00002.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    if missing == "part":
        (folder / "config.json").write_bytes((tiny / "config.json").read_bytes())
        parts = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(parts))
    words = "model-00002-of-00002.safetensors` is missing" if missing == "part" else "has no config.json"
    with pytest.raises(JobError, match=words):
        BaseFetch(base_of(home, str(folder)), Hub(None, None)).prepare(Told(), threading.Event())


def test_the_starter_is_under_the_licence_of_flywheel(home: Home) -> None:
    record = base_of(home, "starter").record()
    assert (record.name, record.licence) == ("starter", "apache-2.0")
    assert record.licence_files[0].is_file() and record.revision is not None


@pytest.mark.parametrize("card", ["", "# no data", "---\n: [\n---\n", "---\n- a list\n---\n"])
def test_a_card_without_data_says_nothing(card: str) -> None:
    assert front_matter(card) == {}
