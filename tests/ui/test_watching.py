"""What stands on the page while work goes on, and after it ended well or badly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flywheel.errors import InvalidInput
from flywheel.tasks.chat import ChatTask
from flywheel.ui.dataset_report import report_view
from flywheel.ui.watching import watched
from tests.support.desk import OWNER, Desk

BAR = "fw-progress"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


def test_a_bar_goes_before_what_was_made(desk: Desk) -> None:
    desk.approved([(f"how many of the orders are in group {i} of {i * 7}", f"SELECT {i}") for i in range(20)])
    found: list[str] = []
    for shown in watched(desk.datasets.reporting(OWNER), report_view):
        found.append(shown)
    assert [BAR in shown for shown in found] == [True] * (len(found) - 1) + [False]
    assert len(found) > 3 and "20 rows" in found[-1]


@pytest.mark.parametrize("work", ["reporting", "freezing"])
def test_the_reason_takes_the_place_of_the_bar(desk: Desk, work: str) -> None:
    found: list[str] = []
    with pytest.raises(InvalidInput, match="Nothing is approved"):
        for shown in watched(getattr(desk.datasets, work)(OWNER), str):
            found.append(shown)
    assert BAR in found[0] and BAR not in found[-1] and "Nothing is approved" in found[-1]


def test_a_defect_leaves_no_bar_and_no_text_of_its_own() -> None:
    def work() -> Iterator[Any]:
        yield "reading", 0.5
        raise RuntimeError("secret path")

    found: list[str] = []
    with pytest.raises(RuntimeError):
        for shown in watched(work(), str, put=lambda markup: ("beside", markup)):  # type: ignore[arg-type]
            found.append(shown)
    assert [BAR in shown[1] for shown in found] == [True, False] and found[-1] == ("beside", "")
