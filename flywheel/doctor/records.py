"""What the database of a home says, against the files beside it: ledger, versions, datasets, runs.

Reads alone; works inside the app that holds the home, and on a database that is only looked at.
"""

from collections.abc import Callable, Iterator
from functools import partial

from flywheel.base_model import BaseModel, base_model
from flywheel.doctor.finding import OK, PROBLEM, WARNING, Finding, looked
from flywheel.settings import Settings
from storage.database import Database
from storage.datasets import DatasetStore
from storage.files import sha256_file
from storage.home import Home
from storage.ledger import verify
from storage.runs import ACTIVE, RunStore
from storage.versions import Version, VersionStore
from trainers.job import ADAPTER_FILES, process_alive, verify_manifest

ADAPTER = ADAPTER_FILES[1]


def records(database: Database, home: Home, settings: Settings) -> Iterator[Finding]:
    """All of them, one after the other."""
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "ledger": partial(_ledger, database),
        "versions": partial(_versions, VersionStore(database), home, settings),
        "datasets": partial(_datasets, DatasetStore(database), home),
        "runs": partial(_runs, RunStore(database), home),
    }
    for name, check in checks.items():
        yield from looked(name, check)


def _ledger(database: Database) -> Iterator[Finding]:
    for message in database.report.messages:
        yield Finding(WARNING, "database", message, "Compare with a backup.")
    report = verify(database)
    if report.ok:
        yield Finding(OK, "ledger", report.message)
    else:
        yield Finding(PROBLEM, "ledger", report.message, "Keep this home as it is, and restore a backup elsewhere.")


def _versions(store: VersionStore, home: Home, settings: Settings) -> Iterator[Finding]:
    versions, served = store.list(), store.served()
    base = base_model(settings) if settings.engine == "local" else None
    sound = True
    for version in versions:
        for finding in _version(version, home, base, served):
            sound = False
            yield finding
    if sound:
        kept = f"the files of all {len(versions)} are as they were made" if versions else "none is trained yet"
        yield Finding(OK, "versions", f"{served} is served; {kept}")


def _version(version: Version, home: Home, base: BaseModel | None, served: str) -> Iterator[Finding]:
    folder = home.version_dir(version.id)
    wrong = verify_manifest(folder, ADAPTER_FILES)
    if not wrong and version.adapter_sha256 not in (None, sha256_file(folder / ADAPTER)):
        wrong = ["its adapter is not the one that was recorded"]
    if wrong:
        todo = "Restore its folder from a backup" + ("; until then roll back." if version.id == served else ".")
        yield Finding(PROBLEM, "versions", f"{version.id}: {'; '.join(wrong)}", todo)
    elif base is not None and (version.base, version.revision) != (base.name, base.fingerprint):
        words = f"{version.id} was trained on other weights (`{version.base}`) than FLYWHEEL_BASE_MODEL names"
        level = PROBLEM if version.id == served else WARNING
        yield Finding(level, "versions", words, "Set FLYWHEEL_BASE_MODEL back, or roll back to another version.")


def _datasets(store: DatasetStore, home: Home) -> Iterator[Finding]:
    versions, sound = store.list(), True
    for version in versions:
        if wrong := verify_manifest(home.dataset_dir(version.id)):
            sound = False
            yield Finding(PROBLEM, "datasets", f"{version.id}: {'; '.join(wrong)}", "Freeze the same rows again.")
    if sound:
        kept = f"the files of all {len(versions)} are as they were frozen" if versions else "none yet"
        yield Finding(OK, "datasets", kept)


def _runs(store: RunStore, home: Home) -> Iterator[Finding]:
    runs = store.list(limit=10**6)
    active = next((run for run in runs if run.state in ACTIVE), None)
    if active is not None and process_alive(home.run_dir(active.number)):
        yield Finding(OK, "runs", f"run {active.number} is {active.state}")
    elif active is not None:
        words = f"run {active.number} is {active.state}, and its program has ended"
        yield Finding(WARNING, "runs", words, "The running app, or its next start, takes it up within seconds.")
    else:
        counts = {state: sum(run.state == state for run in runs) for state in sorted({run.state for run in runs})}
        yield Finding(OK, "runs", ", ".join(f"{count} {state}" for state, count in counts.items()) or "none yet")
