"""What goes out with a version: by an allow-list, with a card whose head the Hub reads, and nothing of this machine."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flywheel import release
from flywheel.base_model import BaseModel
from flywheel.errors import Damaged, Refused
from flywheel.gate import Verdict
from flywheel.licence import Licence
from flywheel.merging import Merged
from flywheel.publishing import refuse_unpassed
from flywheel.release import Origin
from flywheel.standing import Measure, SuiteView, VersionView
from storage.datasets import DatasetRow, DatasetVersion
from storage.versions import Promotion, Version
from trainers.mergejob import Parity, Record

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STARTER = BaseModel("starter", "/srv/flywheel/starter/model", None, True)
FOLDER = BaseModel("/home/ann/models/llama", "/home/ann/models/llama", None, False)
HUB = BaseModel("Qwen/Qwen3-0.6B@main", "Qwen/Qwen3-0.6B", "a" * 40, False, is_on_hub=True)
HEAD = ("---\n", "\n---\n")


def origin(base: BaseModel, licence: Licence, *, against: str = "v0", system_hash: str = "") -> Origin:
    version = Version("v2", 2, 5, "d3", base.name, "sha256:ff", "nf4-dequantised", "ab" * 32, NOW, "served")
    measures = [
        Measure(name, 70, right, right / 70, 0.1, 0.9) for name, right in (("v2", 60), (against, 20), ("v0", 1))
    ]
    view = VersionView(
        version, [SuiteView("corrected", *measures)], against, Verdict("passed", ["what Ann said"]), None
    )
    dataset = DatasetVersion(
        "d3", 3, "Ann's own", "for Bob", "sql", "hash", system_hash, {}, [], {"reviewer": "Bob"}, NOW, "hf:bob"
    )  # fmt: skip
    asked = [{"role": "user", "content": "what does Ann earn"}]
    rows = [DatasetRow("d3", "e1", side, "g1", asked, "a lot", "correction", 0) for side in ("train", "train", "test")]
    settings: dict[str, Any] = {"method": "sft", "quantization": "nf4", "rank": 16, "base": base.location}
    settings |= {"replay": {"file": "/home/ann/replay.jsonl", "share": 0.92}, "resume_from": "/home/ann/run"}
    libraries = {"torch": "2.13.0", "device": "Ann's laptop"}
    return Origin(view, base, dataset, rows, "quick", settings, libraries, licence)


def merged(folder: Path) -> Merged:
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    for planted in (
        "training_args.bin",
        "optimizer.pt",
        "trainer_state.json",
        "log.txt",
        "prompts.jsonl",
        "merged.json",
    ):
        (folder / planted).write_text("never")
    (folder / "ref").mkdir()
    parity = Parity("bfloat16", 40, 2000, 1999, 0.3)
    return Merged("v2", folder, Record({}, "full", parity, [parity], {}), 7, True)


def files(tmp_path: Path, given: Origin, hidden: tuple[str, ...] = ()) -> dict[str, bytes]:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": given.base.location, "r": 16}))
    (adapter / "adapter_model.safetensors").write_bytes(b"lora")
    (adapter / "optimizer.pt").write_bytes(b"never")
    found = release.files_of("ann/shop", given, merged(tmp_path / "model"), adapter, hidden)
    return {name: data if isinstance(data, bytes) else data.read_bytes() for name, data in found.items()}


def head(card: str) -> dict[str, Any]:
    from huggingface_hub import ModelCard

    found: dict[str, Any] = ModelCard(card).data.to_dict()
    return found


def test_only_what_is_named_goes_out(tmp_path: Path) -> None:
    found = files(tmp_path, origin(FOLDER, Licence("mit", files={"LICENSE": b"MIT", "NOTICE": b"thanks"})))
    assert set(found) == {
        "config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors", "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors", "LICENSE", "NOTICE", "lineage.json", "scores.json", "README.md",
    }  # fmt: skip
    assert set(json.loads(found["lineage.json"])["files"]) == set(found)
    told = b"".join(found.values())
    for private in (b"never", b"/home/ann", b"Ann", b"Bob", b"bob", b"what does", b"a lot"):
        assert private not in told, private


def test_a_path_of_this_machine_stops_it(tmp_path: Path) -> None:
    given = origin(FOLDER, Licence("mit", files={"LICENSE": b"see /home/ann/models"}))
    with pytest.raises(Damaged, match="`LICENSE` names a place on this machine"):
        files(tmp_path, given, ("/home/ann",))


def test_a_base_of_the_hub_is_linked(tmp_path: Path) -> None:
    found = files(tmp_path, origin(HUB, Licence("other", "qwen-research")))
    card = head(found["README.md"].decode())
    assert (card["base_model"], card["license"], card["license_name"]) == ("Qwen/Qwen3-0.6B", "other", "qwen-research")
    assert (card["library_name"], card["pipeline_tag"]) == ("transformers", "text-generation")
    config = json.loads(found["adapter/adapter_config.json"])
    assert (config["base_model_name_or_path"], config["revision"]) == ("Qwen/Qwen3-0.6B", "a" * 40)


@pytest.mark.parametrize(("base", "words"), [(STARTER, "bundled with Flywheel, under Apache-2.0"), (FOLDER, "`llama`")])
def test_any_other_base_is_named_honestly(tmp_path: Path, base: BaseModel, words: str) -> None:
    found = files(tmp_path, origin(base, Licence("apache-2.0")))
    assert "base_model" not in head(found["README.md"].decode())
    assert words in found["README.md"].decode()
    assert json.loads(found["adapter/adapter_config.json"])["base_model_name_or_path"] is None


def test_the_card_tells_data_scores_and_limits(tmp_path: Path) -> None:
    card = files(tmp_path, origin(STARTER, Licence(), against="v1", system_hash="e" * 64))["README.md"].decode()
    assert "| held-out corrections (test rows) | 70 | 1.4% (10.0% to 90.0%) | 28.6%" in card
    assert "| base (v0) | v1 | this version |" in card
    assert "| correction | 2 | 0 | 1 |" in card
    assert "a system message stood before each question" in card
    assert "compared on 40 prompts only" in card
    assert "1999" not in card and "99.95% first" in card
    assert "The licence of the base is not stated" in card
    assert head(card)["license_name"] == "unknown"


def test_the_same_version_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    given = origin(STARTER, Licence("apache-2.0"))
    assert files(tmp_path / "a", given) == files(tmp_path / "b", given)


@pytest.mark.parametrize(
    ("state", "override", "allowed"), [("passed", None, True), ("refused", None, False), ("refused", "I looked", True)]
)
def test_what_was_promoted_may_go_out(state: str, override: str | None, allowed: bool) -> None:
    view = origin(STARTER, Licence()).view
    promotion = Promotion("p", "v2", "v1", "promote", override, {"state": state}, "local:owner", NOW)
    now = VersionView(view.version, [], "v1", Verdict("refused", ["worse"], ["worse"]), promotion)
    if allowed:
        refuse_unpassed(now)
    else:
        with pytest.raises(Refused, match="worse"):
            refuse_unpassed(now)
