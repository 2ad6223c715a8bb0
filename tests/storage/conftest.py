"""A home and an open database of one's own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    database = Database.open(home.database, home.ledger_tail)
    yield database
    database.close()
