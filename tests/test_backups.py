"""A home that is backed up and restored: the same version gives the same answers, and nothing pretends to go on."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.backups import UNDER_WAY, restore
from flywheel.base_model import base_model
from flywheel.errors import Conflict, Forbidden
from flywheel.roles import Principal, Role
from flywheel.services import Services, build_services
from flywheel.settings import Settings, read
from storage.conversations import Turn
from storage.runs import RunStore
from storage.versions import VersionStore
from tests.support.adapters import make_adapter
from tests.support.station import OWNER, REVIEWER
from tests.support.steps import finish
from tests.support.tiny import make_tiny_model
from trainers import environment
from trainers.files import sha256_of
from trainers.job import ADAPTER_FILES

GUEST = Principal("guest:1", Role.GUEST)
QUESTION = "which customers bought a red bike"


def answer(services: Services) -> Turn:
    *_, last = services.chat.reply(GUEST, None, QUESTION)
    assert last.turn is not None
    return last.turn


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def settings(base: Path, tmp_path: Path) -> Settings:
    return read({"FLYWHEEL_HOME": str(tmp_path / "home"), "FLYWHEEL_BASE_MODEL": str(base), "FLYWHEEL_TASK": "chat"})


def serve_trained(services: Services, base: Path, work: Path) -> None:
    """Have `v1` served, as if a run had made it."""
    folder = make_adapter(base, work / "adapter", seed=1)
    shutil.copytree(folder, services.home.version_dir("v1"))
    store = VersionStore(services.database)
    store.create(
        run=None,
        dataset=None,
        base=str(base),
        revision=base_model(services.settings).fingerprint,
        base_form="full",
        adapter_sha256=sha256_of(folder / ADAPTER_FILES[1]),
        number=1,
        by="test",
    )
    store.promote("v1", kind="promote", override="a test", verdict={}, by="test")


def test_restored_home_serves_the_same_answers(settings: Settings, base: Path, tmp_path: Path) -> None:
    services = build_services(settings)
    services.wait_until_ready()
    before = answer(services)
    serve_trained(services, base, tmp_path)
    trained = answer(services)
    assert trained.version == "v1" and trained.content != before.content
    runs = RunStore(services.database)
    run = runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="test")
    runs.mark(run.number, "running", by="test")
    asking = threading.Thread(target=lambda: [answer(services) for _ in range(3)])
    asking.start()
    packed = finish(services.backups.make(OWNER, tmp_path / "b.tar.gz"))
    asking.join()
    link = services.login_links(OWNER, "owner", "")[0].partition("token=")[2]
    services.close()

    new = replace(settings, home=tmp_path / "elsewhere")
    returned = finish(restore(new, tmp_path / "b.tar.gz"))
    # One more than was packed: the run that had been under way is recorded as interrupted.
    assert returned.notes == [] and returned.restored.records == packed.records + 1
    services = build_services(new)
    try:
        services.wait_until_ready()
        assert services.verify_ledger(OWNER).ok
        again = answer(services)
        assert (again.version, again.content) == ("v1", trained.content)
        assert services.identity.enter(link).role is Role.OWNER
        found = services.training.view(OWNER, run.number).run
        assert (found.state, found.reason) == ("interrupted", UNDER_WAY)
    finally:
        services.close()


def test_only_the_owner_makes_a_backup_and_one_at_a_time(settings: Settings, tmp_path: Path) -> None:
    services = build_services(settings)
    try:
        with pytest.raises(Forbidden):
            next(services.backups.make(REVIEWER, tmp_path / "b.tar.gz"))
        first = services.backups.make(OWNER, tmp_path / "b.tar.gz")
        next(first)
        with pytest.raises(Conflict, match="being made already"):
            next(services.backups.make(OWNER, tmp_path / "c.tar.gz"))
        first.close()
        assert list(tmp_path.glob("*.tar.gz*")) == [] and list(services.home.path.glob(".backup*")) == []
        finish(services.backups.make(OWNER, tmp_path / "c.tar.gz"))
    finally:
        services.close()


def test_other_settings_than_the_backups_are_said(settings: Settings, tmp_path: Path) -> None:
    services = build_services(settings)
    finish(services.backups.make(OWNER, tmp_path / "b.tar.gz"))
    services.close()
    other = replace(settings, home=tmp_path / "other", base_model="starter", task="sql")
    notes = finish(restore(other, tmp_path / "b.tar.gz")).notes
    assert len(notes) == 2 and settings.base_model in notes[0] and "`sql` here" in notes[1]
