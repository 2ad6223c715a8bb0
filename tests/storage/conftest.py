"""A home and an open database of one's own for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.home import Home


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database without rows: copying it is faster than making one."""
    home = Home.open(tmp_path_factory.mktemp("empty"))
    Database.open(home.database, home.ledger_tail).close()
    return home.path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def db(home: Home, empty: Path) -> Iterator[Database]:
    shutil.copytree(empty, home.path, dirs_exist_ok=True)
    database = Database.open(home.database, home.ledger_tail)
    yield database
    database.close()
