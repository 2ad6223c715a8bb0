"""What several folders share. It is made when the first test asks for it, and heavy parts are loaded then."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from flywheel.settings import prepare_environment

if TYPE_CHECKING:
    from tests.support.app import App
    from tests.support.hub.server import HubServer

# As every entry point does, before any library reads them.
prepare_environment()
# Read by huggingface_hub when it is imported: the test Hub keeps large files without xet.
os.environ["HF_HUB_DISABLE_XET"] = "1"
# The same examples on every machine, and no deadline: how long one takes is for the benchmarks.
hypothesis.settings.register_profile(
    "facts", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("facts")

SYSTEM = "Answer with SQL."
ANSWERS = {
    "how many customers": "SELECT count(*) AS customers FROM customers",
    "show me all customers": "SELECT name FROM customers ORDER BY name",
    "who are you": "I can only answer questions about this database.",
    "delete all orders": "DELETE FROM orders",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that hold slow tests first: with several workers nobody then waits for the last one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[App]":
    """The whole app, served, with a real model that knows ANSWERS by heart."""
    from tests.support.app import serving, settings_for
    from tests.support.parrot import make_parrot

    folder = tmp_path_factory.mktemp("app")
    model = make_parrot(folder / "parrot", ANSWERS, system=SYSTEM)
    settings = settings_for(folder / "home", base_model=str(model), system_prompt=SYSTEM)
    with serving(settings) as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[HubServer]":
    """An empty Hub that the real client talks to: `hub.url`, tokens `hub.writer`, `hub.reader`, `hub.stranger`.

    The cache of downloads is the test's own, here and in child processes.
    """
    from huggingface_hub import constants

    from tests.support.hub.server import HubServer

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    # Trainers that ran in this process have switched the network off.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HubServer(tmp_path / "hub") as running:
        yield running
