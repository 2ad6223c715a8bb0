from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.serving.engine import AdapterSpec
from flywheel.serving.local import LocalEngine
from storage.files import sha256_file
from tests.support.adapters import make_adapter
from tests.support.crowd import Oracle, make_oracle
from tests.support.tiny import make_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def adapters(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, AdapterSpec]:
    """Three versions whose answers differ; v3 belongs on the de-quantised base."""
    folder = tmp_path_factory.mktemp("versions")
    forms = {"v1": "full", "v2": "full", "v3": "nf4-dequantised"}
    specs = {}
    for seed, (version, form) in enumerate(forms.items(), 1):
        path = make_adapter(tiny, folder / version, seed=seed)
        specs[version] = AdapterSpec(path, form, sha256_file(path / "adapter_model.safetensors"))
    return specs


@pytest.fixture(scope="session")
def engine(tiny: Path, adapters: dict[str, AdapterSpec]) -> Iterator[LocalEngine]:
    engine = LocalEngine(str(tiny), None, adapters.get, name="tiny")
    assert engine.wait_ready(60)[0], engine.ready()[1]
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def alone(tiny: Path, adapters: dict[str, AdapterSpec]) -> Oracle:
    return make_oracle(tiny, adapters)
