"""Reviewers at one inbox: real stores, a task without a model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.tasks.chat import ChatTask
from tests.support.desk import Desk
from tests.support.reviewing import Review


@pytest.fixture
def review(tmp_path: Path) -> Iterator[Review]:
    """An empty inbox where every item goes to one reviewer."""
    desk = Desk.open(tmp_path / "home", ChatTask())
    yield Review.at(desk)
    desk.database.close()
