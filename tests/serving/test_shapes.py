"""Bases of other shapes than the starter's, from a folder and from the Hub: they answer, learn and are scored."""

import json
import time
from pathlib import Path

import pytest

from flywheel.base_fetch import BaseFetch
from flywheel.base_model import BaseModel
from flywheel.errors import InvalidInput
from flywheel.presets import plan
from flywheel.serving.engine import AdapterSpec, Generation, Sampling
from flywheel.serving.local import LocalEngine
from storage.files import sha256_file
from storage.hub import Hub, Patience
from tests.support.adapters import make_adapter
from tests.support.hub.server import HubServer
from tests.support.tiny import SHAPES, chat_row, make_tiny_model
from trainers import environment, predict, sft
from trainers.adapter import check_adapter
from trainers.job import Contender, Job, Suite, read_outcome, read_predictions, write_job, write_predict

NAME = "alice/tiny"
ROWS = [chat_row(f"how many orders in {city}", f"select count from {city}") for city in "abcdefgh"]


@pytest.fixture(scope="module", params=SHAPES)
def shaped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base") / request.param, shape=request.param)


def answer_of(engine: LocalEngine, version: str = "v0") -> Generation:
    ready, words = engine.wait_ready(60)
    assert ready, words
    question = [{"role": "user", "content": "how many customers"}]
    return engine.submit(question, version, Sampling(max_new_tokens=6)).result()


def trained(base: str, revision: str | None, folder: Path) -> Path:
    """A finished run of two steps with its predictions."""
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    given = {"dataset": "d1", "dataset_sha256": "abc", "max_steps": 2, "batch_size": 4, "rank": 4}
    write_job(folder, Job(base=base, revision=revision, base_form="nf4-dequantised", **given))  # type: ignore[arg-type]
    environment.silence()
    assert sft.run(folder) == 0, read_outcome(folder)
    who = (Contender("v0"), Contender("v1", "adapter"))
    write_predict(folder, [Suite("t", "train.jsonl", who, base, "nf4-dequantised", revision, max_new_tokens=4)])
    assert predict.main([str(folder)]) == 0, read_outcome(folder / "predictions")
    return folder


def test_a_folder_answers_learns_and_is_scored(shaped: Path, tmp_path: Path) -> None:
    run = trained(str(shaped), None, tmp_path / "run")
    assert len(read_predictions(run, "t", "v1")) == len(ROWS)
    spec = AdapterSpec(run / "adapter", "nf4-dequantised", sha256_file(run / "adapter/adapter_model.safetensors"))
    engine = LocalEngine(str(shaped), None, {"v1": spec}.get)
    assert answer_of(engine).completion_tokens > 0
    assert answer_of(engine, "v1").base_form == "nf4-dequantised"
    assert "answers on cpu in float32" in engine.ready()[1]
    engine.close()


def test_a_hub_id_answers_and_learns_on_the_same_commit(shaped: Path, hub: HubServer, tmp_path: Path) -> None:
    repo = hub.add("model", NAME, shaped)
    repo.tags["v1"] = repo.head.sha
    hub.add("model", NAME, {"config.json": b"{}"})
    base = BaseModel(f"{NAME}@v1", NAME, "v1", False, is_on_hub=True, pins=tmp_path / "bases.json")
    fetch = BaseFetch(base, Hub(hub.url, None, Patience(first_s=0.01)))
    engine = LocalEngine(base.location, base.revision, lambda version: None, name=base.name, prepare=fetch.prepare)
    assert answer_of(engine).completion_tokens > 0
    engine.close()
    hub.stop()
    job = plan(base, dataset="d1", dataset_sha256="abc", method="sft", name="quick", overrides={})
    assert (job.base, job.revision) == (NAME, repo.tags["v1"])
    adapter = json.loads(
        (trained(job.base, job.revision, tmp_path / "run") / "adapter/adapter_config.json").read_text()
    )
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (NAME, repo.tags["v1"])


def test_an_adapter_for_another_base_is_refused_in_words(tmp_path: Path) -> None:
    llama = make_tiny_model(tmp_path / "llama")
    other = make_tiny_model(tmp_path / "gemma", shape="gemma", hidden=32, heads=2)
    adapter = make_adapter(llama, tmp_path / "v1", seed=1)
    problems = check_adapter(adapter, other)
    assert problems and "this base needs" in problems[0]
    spec = AdapterSpec(adapter, "full", sha256_file(adapter / "adapter_model.safetensors"))
    engine = LocalEngine(str(other), None, {"v1": spec}.get)
    answer = answer_of(engine, "v1")
    assert answer.finish_reason == "error" and "this base needs" in str(answer.error)
    engine.close()


def test_where_4_bits_cannot_be_had_a_plain_lora_is_planned(tmp_path: Path) -> None:
    base = BaseModel("tiny", str(tmp_path), None, False)
    given = {"dataset": "d1", "dataset_sha256": "abc", "method": "sft", "name": "quick"}
    job = plan(base, overrides={}, four_bit_problem="There are no 4 bits here.", **given)  # type: ignore[arg-type]
    assert (job.quantization, job.base_form) == ("none", "full")
    with pytest.raises(InvalidInput, match=r"no 4 bits here\. Set it to `none`"):
        plan(base, overrides={"quantization": "nf4"}, four_bit_problem="There are no 4 bits here.", **given)  # type: ignore[arg-type]
    assert plan(base, overrides={}, four_bit_problem="", **given).quantization == "nf4"  # type: ignore[arg-type]


def test_loading_says_how_far_the_download_is(hub: HubServer, tmp_path: Path) -> None:
    hub.add("model", NAME, {"config.json": b"{}", "model.safetensors": b"w" * 4_000_000})
    hub.fault("GET", "/cdn/", cut=2_100_000)
    hub.fault("GET", "/cdn/", hang=True, times=100)
    base = BaseModel(NAME, NAME, None, False, is_on_hub=True)
    fetch = BaseFetch(base, Hub(hub.url, None, Patience(timeout_s=30, read_s=0.1, first_s=0.01)))
    engine = LocalEngine(NAME, None, lambda version: None, prepare=fetch.prepare)
    give_up = time.monotonic() + 20
    while engine.ready() != (False, f"downloading `{NAME}`: 52 % of 4.0 MB") and time.monotonic() < give_up:
        time.sleep(0.02)
    assert engine.ready()[1] == f"downloading `{NAME}`: 52 % of 4.0 MB"
    hub.stop()
    engine.close()
