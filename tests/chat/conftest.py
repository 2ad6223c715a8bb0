"""A real (tiny) model that knows a few answers by heart, a real sandbox, and the chat over them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.serving.engine import AdapterSpec
from flywheel.serving.local import LocalEngine
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from starter import database as shop
from storage.files import sha256_file
from storage.home import Home
from tests.support.adapters import make_adapter
from tests.support.chatting import ANSWERS, App, make_app
from tests.support.parrot import make_parrot


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    base = make_parrot(tmp_path_factory.mktemp("parrot"), ANSWERS)
    specs = {}
    for seed, version in enumerate(("v1", "v2"), 1):
        path = make_adapter(base, tmp_path_factory.mktemp("versions") / version, seed=seed)
        specs[version] = AdapterSpec(path, "full", sha256_file(path / "adapter_model.safetensors"))
    damaged = make_adapter(base, tmp_path_factory.mktemp("versions") / "v3", seed=3)
    weights = damaged / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    specs["v3"] = AdapterSpec(damaged, "full", "0" * 64)
    engine = LocalEngine(str(base), None, specs.get, name="parrot")
    assert engine.wait_ready(60)[0]
    yield engine
    engine.close()


@pytest.fixture(scope="package")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlTask]:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    shop.build(path)
    task = SqlTask(SqlSandbox(path), system_prompt="", single_turn=True, examples=[])
    yield task
    task.close()


@pytest.fixture
def app(tmp_path: Path, engine: LocalEngine, task: SqlTask) -> Iterator[App]:
    app = make_app(Home.open(tmp_path / "home"), engine, task)
    yield app
    app.database.close()


@pytest.fixture
def talk(tmp_path: Path, engine: LocalEngine) -> Iterator[App]:
    app = make_app(Home.open(tmp_path / "home"), engine, ChatTask(""))
    yield app
    app.database.close()
