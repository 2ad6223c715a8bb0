"""The checkup: it finds what is wrong, says what to do, changes nothing, and survives whatever it looks at."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from flywheel.cli import main
from flywheel.doctor import machine
from flywheel.doctor.finding import Finding, looked
from flywheel.doctor.records import records
from storage.conversations import ConversationStore
from storage.database import Database
from storage.home import Home
from tests.support.adapters import make_adapter
from tests.support.app import free_port, serving, settings_for
from tests.support.hub.server import HubServer
from tests.support.station import Station, open_station
from tests.support.station import settings_for as settings_over
from tests.support.tiny import make_tiny_model
from trainers import environment
from trainers.files import sha256_of
from trainers.job import ADAPTER_FILES

Findings = dict[str, list[Finding]]
Doctor = Callable[..., tuple[int, Findings]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a few records, as an app that ended well leaves it."""
    home = Home.open(tmp_path / "home")
    home.secret()
    home.owner_token()
    database = Database.open(home.database, home.ledger_tail)
    ConversationStore(database).start(owner="guest:1", task="sql", by="x")
    database.close()
    home.database.chmod(0o600)
    return home


@pytest.fixture
def doctor(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    monkeypatch.setenv("FLYWHEEL_HOME", str(home.path))
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))

    def run(*argv: str) -> tuple[int, Findings]:
        code = main(["doctor", "--json", *argv])
        out, err = capsys.readouterr()
        assert err == ""
        found: Findings = {}
        for line in out.splitlines():
            finding = Finding(**json.loads(line))
            found.setdefault(finding.check, []).append(finding)
        return code, found

    return run


def said(findings: list[Finding]) -> str:
    return " ".join(f"{finding.level}: {finding.words} {finding.todo}" for finding in findings)


def contents(home: Home) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.path.rglob("*") if path.is_file() and path != home.lock}


def test_a_sound_home_has_no_problem_and_is_left_as_it_was(doctor: Doctor, home: Home) -> None:
    before = contents(home)
    code, found = doctor()
    assert code == 0
    assert {finding.level for findings in found.values() for finding in findings} == {"ok"}
    assert {"python", "libraries", "ledger", "versions", "datasets", "runs", "base model", "4-bit"} <= set(found)
    assert contents(home) == before


def test_a_missing_home_is_not_made(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path / "none"))
    code, found = doctor()
    assert code == 0 and found["home"][0].level == "warning" and not (tmp_path / "none").exists()


def test_wrong_settings_are_a_finding(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYWHEEL_TASK", "poetry")
    code, found = doctor()
    assert code == 1 and "FLYWHEEL_TASK is `poetry`" in said(found["settings"])


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"FLYWHEEL_TASK": "chat"}, "starter only knows its shop"),
        ({"FLYWHEEL_DATABASE": "/tmp/x.duckdb"}, "FLYWHEEL_DATABASE is another"),
        ({"FLYWHEEL_OWNERS": "ann"}, "mean nothing here"),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, "everybody in your network"),
        ({"SYSTEM": "spaces", "SPACE_ID": "a/b"}, "nobody can sign in"),
    ],
)
def test_settings_that_do_not_go_together_are_named(variables: dict[str, str], words: str) -> None:
    from flywheel.settings import read

    (finding,) = machine.together(read({"FLYWHEEL_HOME": "/nowhere", **variables}))
    assert finding.level == "warning" and words in finding.words and finding.todo


def test_what_others_can_read_is_named_with_its_remedy(doctor: Doctor, home: Home) -> None:
    home.path.chmod(0o755)
    home.secret_key.chmod(0o644)
    code, found = doctor()
    assert code == 1
    assert f"chmod 700 {home.path}" in said(found["home"]) and f"chmod 600 {home.secret_key}" in said(found["keys"])


def garbage(home: Home) -> None:
    home.database.write_bytes(b"x" * 9000)


def bad_log(home: Home) -> None:
    shutil.copy(home.database, home.path / "copy")
    with duckdb.connect(str(home.path / "copy")) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(
            "INSERT INTO ledger SELECT seq + 1, created, created_by, table_name, row_id, hash, hash FROM ledger"
        )
    log = bytearray((home.path / "copy.wal").read_bytes())
    log[-3] ^= 0xFF
    home.path.joinpath("flywheel.duckdb.wal").write_bytes(log)
    (home.path / "copy").unlink()
    (home.path / "copy.wal").unlink()


def rewritten(home: Home) -> None:
    with duckdb.connect(str(home.database)) as connection:
        connection.execute("UPDATE conversations SET owner = 'guest:2'")


def lost(home: Home) -> None:
    home.ledger_tail.write_text(json.dumps({"seq": 9, "hash": "0" * 64}))


def empty_tail(home: Home) -> None:
    home.ledger_tail.write_bytes(b"")


def short_key(home: Home) -> None:
    home.secret_key.write_bytes(b"short")


def folder_instead(home: Home) -> None:
    home.database.unlink()
    home.database.mkdir()


@pytest.mark.parametrize(
    ("damage", "check", "words"),
    [
        (garbage, "database", "is damaged"),
        (bad_log, "database", "The next start keeps a copy"),
        (rewritten, "ledger", "was changed"),
        (lost, "ledger", "8 acknowledged records are missing"),
        (empty_tail, "ledger", "side file cannot be read"),
        (short_key, "keys", "5 bytes instead of 32"),
        (folder_instead, "database", "no database"),
    ],
)
def test_damage_is_found_and_left_as_it_is(
    doctor: Doctor, home: Home, damage: Callable[[Home], None], check: str, words: str
) -> None:
    damage(home)
    before = contents(home)
    code, found = doctor()
    assert code == 1 and words in said([finding for finding in found[check] if finding.level == "problem"])
    assert contents(home) == before


def test_a_file_instead_of_a_home_is_named(doctor: Doctor, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYWHEEL_HOME", str(home.secret_key))
    code, found = doctor()
    assert code == 1 and "is no folder" in said(found["home"])


def test_old_and_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.txt").write_text("duckdb>=99  # new\nno-such-library\npytest\n")
    monkeypatch.setattr(machine, "REQUIREMENTS", tmp_path / "requirements.txt")
    findings = list(machine.libraries())
    assert [finding.words.split(" ")[0] for finding in findings] == ["duckdb", "no-such-library"]
    assert all(finding.level == "problem" and "pip install" in finding.todo for finding in findings)


def test_a_taken_port_is_named(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(other.getsockname()[1]))
        code, found = doctor()
    assert code == 1 and "GRADIO_SERVER_PORT" in said(found["port"])


def test_a_base_that_is_not_there_is_named(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLYWHEEL_BASE_MODEL", str(tmp_path))
    code, found = doctor()
    assert code == 1 and "has no config.json" in said(found["base model"])


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("ok", "x", "so far")
        raise KeyError("secret.key\nsecond line")

    first, second = looked("x", broken)
    assert first.level == "ok" and second.level == "problem" and "\n" not in second.words


def test_the_token_is_asked_about_only_when_online_and_never_shown(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, hub: HubServer
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.reader)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    _, found = doctor()
    assert found["hub"][0].level == "ok" and hub.log == []
    _, online = doctor("--online")
    assert "`alice`'s and may only read" in said(online["hub"])
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrong")
    code, denied = doctor("--online")
    assert code == 1 and denied["hub"][0].level == "problem"
    assert hub.reader not in str([found, online]) and "wrongwrong" not in str(denied)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def station(base: Path, tmp_path: Path) -> Iterator[Station]:
    station = open_station(settings_over(tmp_path / "station", base))
    yield station
    station.close()


def examined(station: Station) -> dict[str, str]:
    found: Findings = {}
    for finding in records(station.database, station.home, station.settings):
        found.setdefault(finding.check, []).append(finding)
    return {check: said(findings) for check, findings in found.items()}


def with_version(station: Station, base: Path) -> Path:
    folder = make_adapter(base, station.home.version_dir("v1"), seed=1)
    station.store.create(
        run=None,
        dataset="d1",
        base=station.base.name,
        revision=station.base.fingerprint,
        base_form="full",
        adapter_sha256=sha256_of(folder / ADAPTER_FILES[1]),
        number=1,
        by="x",
    )
    return folder


def test_changed_files_of_datasets_and_versions_are_named(station: Station, base: Path) -> None:
    station.freeze()
    folder = with_version(station, base)
    assert examined(station)["versions"].startswith("ok") and examined(station)["datasets"].startswith("ok")
    (station.home.dataset_dir("d1") / "train.jsonl").write_text("")
    (folder / ADAPTER_FILES[0]).write_text("{}")
    found = examined(station)
    assert found["datasets"].startswith("problem: d1: train.jsonl is damaged")
    assert found["versions"].startswith("problem: v1: adapter_config.json is damaged")


def test_a_version_of_another_base_is_named(station: Station, base: Path, tmp_path: Path) -> None:
    with_version(station, base)
    other = make_tiny_model(tmp_path / "other", seed=5)
    settings = settings_over(station.home.path, other)
    words = " ".join(f.words for f in records(station.database, station.home, settings) if f.level == "warning")
    assert "v1 was trained on other weights" in words


def test_a_run_whose_program_is_gone_is_named(station: Station) -> None:
    run = station.runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="x")
    station.runs.mark(run.number, "running", by="x")
    assert "run 1 is running, and its program has ended" in examined(station)["runs"]


def test_the_app_that_holds_the_home_is_asked(doctor: Doctor, home: Home) -> None:
    with serving(settings_for(home.path)) as app:
        code, found = doctor()
        assert code == 0, found
        assert f"pid {os.getpid()}, {app.url}" in said(found["lock"]) and "port" not in found
        assert found["ledger"][0].words == "All 1 records are as they were written."
