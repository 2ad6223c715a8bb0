"""A chart is drawn where a result suits one, says what the result says, and is left out everywhere else."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.ui import present
from flywheel.ui.result_chart import BIGGEST, MOST_BARS, chart_of, drawn
from tests.ui.test_present import PAYLOADS, html_of, sql_item

CITIES = [["Oslo", 12], ["Rome", 30.5], ["Bern", 7]]


def kind(columns: list[str], rows: list[list[Any]], whole: bool = True) -> str | None:
    chart = chart_of(columns, rows, whole=whole)
    return chart.kind if chart else None


@pytest.mark.parametrize(
    ("columns", "rows", "wanted"),
    [
        (["city", "total"], CITIES, "bars"),
        (["total", "city"], [[n, city] for city, n in CITIES], "bars"),
        (["city", "profit"], [["Oslo", -4], ["Rome", 3]], "bars"),
        (["day", "n"], [["2026-01-03", 3], ["2026-01-01", 1], ["2026-01-02", 2]], "line"),
        (["month", "n"], [["2026-01", 3], ["2026-02", 1], ["2026-03", 2]], "line"),
        (["quarter", "n"], [["2026-Q1", 3], ["2026-Q2", 1], ["2026-Q4", 2]], "line"),
        (["year", "n"], [[2024, 3], [2025, 1], [2026, 2]], "line"),
        (["month", "n"], [[1, 3], [2, 1], [12, 2]], "line"),
        (["t", "n"], [["2026-01-01T00:00:00", 3], ["2026-01-02 10:00:00", 1], ["2026-01-03", 2]], "line"),
    ],
)
def test_fitting_results_get_their_chart(columns: list[str], rows: list[list[Any]], wanted: str) -> None:
    assert kind(columns, rows) == wanted


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["city", "total"], []),
        (["city", "total"], [["Oslo", 12]]),
        (["city", "total"], [["Oslo", None], ["Rome", 3]]),
        (["city", "total"], [[None, 1], ["Rome", 3]]),
        (["city", "total"], [["Oslo", "inf"], ["Rome", 3]]),
        (["city", "total"], [["Oslo", float("inf")], ["Rome", 3]]),
        (["city", "total"], [["Oslo", float("nan")], ["Rome", 3]]),
        (["city", "total"], [["Oslo", 10**400], ["Rome", 3]]),
        (["city", "total"], [["Oslo", 0], ["Rome", 0]]),
        (["city", "open"], [["Oslo", True], ["Rome", False]]),
        (["city", "total"], [["Oslo", 1], ["Oslo", 3]]),
        (["city", "total"], [["", 1], ["Rome", 3]]),
        (["city", "total"], [[f"c{i}", i] for i in range(MOST_BARS + 1)]),
        (["city", "total"], [[f"c{i}", i] for i in range(1000)]),
        (["name", "customer_id"], [["Ann", 1], ["Bob", 2]]),
        (["name", "id"], [["Ann", 1], ["Bob", 2]]),
        (["name", "year"], [["Ann", 2024], ["Bob", 2025]]),
        (["name", "zip"], [["Ann", 1234], ["Bob", 2345]]),
        (["price", "stock"], [[1.5, 2], [2.5, 3], [3.5, 4]]),
        (["year", "n"], [[24, 1], [25, 2], [26, 3]]),
        (["month", "n"], [[1, 1], [13, 2], [2, 3]]),
        (["a", "b", "c"], [["x", 1, 2], ["y", 2, 3]]),
        (["a"], [[1], [2]]),
    ],
)
def test_other_results_get_none(columns: list[str], rows: list[list[Any]]) -> None:
    assert kind(columns, rows) is None


def test_cut_result_gets_none() -> None:
    assert kind(["city", "total"], CITIES, whole=False) is None
    for cut in ({"truncated": True}, {"rows_cut": True}):
        assert "<svg" not in present.answer(sql_item(CITIES, ["city", "total"], **cut))


def test_time_is_drawn_in_its_order_and_its_gaps() -> None:
    chart = chart_of(["day", "n"], [["2026-01-31", 3], ["2026-01-01", 1], ["2026-01-02", 2]], whole=True)
    assert chart is not None and [label for label, _, _ in chart.points] == ["2026-01-01", "2026-01-02", "2026-01-31"]
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawn(chart))]
    assert xs[2] - xs[1] == pytest.approx(29 * (xs[1] - xs[0]), abs=2)


def test_bars_are_as_long_as_their_numbers() -> None:
    chart = chart_of(["city", "profit"], [["Oslo", -10], ["Rome", 30], ["Bern", 0]], whole=True)
    assert chart is not None
    bars = [(float(x), float(w)) for x, w in re.findall(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"', drawn(chart))]
    assert bars[1][1] == pytest.approx(3 * bars[0][1], abs=0.3)
    assert bars[0][0] + bars[0][1] == pytest.approx(bars[1][0], abs=0.2)


def test_words_for_screen_readers_name_both_ends() -> None:
    chart = chart_of(["city", "total"], CITIES, whole=True)
    assert chart is not None
    assert 'title="Bars&#58; total by city. Highest Rome, 30.50; lowest Bern, 7."' in drawn(chart)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_in_a_chart_are_inert(payload: str) -> None:
    shown = html_of(present.answer(sql_item([[payload, 1], ["b", 2]], [payload, "n"])))
    assert shown.count("<svg") == 1
    assert not any(tag in shown for tag in ("<img", "<script", "<svg/", "<h1>", "javascript:window.p=1)</a"))


NUMBERS = st.one_of(st.integers(-(10**16), 10**16), st.floats())


@given(st.lists(st.tuples(st.text(min_size=1), NUMBERS), min_size=2, max_size=30), st.sampled_from(["name", "day"]))
def test_any_result_is_drawn_or_left_out(rows: list[tuple[str, float]], column: str) -> None:
    chart = chart_of([column, "n"], rows, whole=True)
    if chart is None:
        return
    assert all(abs(value) < BIGGEST for _, _, value in chart.points)
    shown = drawn(chart)
    assert "\n" not in shown and "nan" not in re.sub(r">[^<]*<|title=\"[^\"]*\"", "", shown)


def test_answer_shows_chart_after_table_and_offers_the_file() -> None:
    shown = present.answer(sql_item(CITIES, ["city", "total"]))
    places = [shown.index(part) for part in ("| city |", "<svg", "(/answers/t1/rows.csv)", "<summary>SQL")]
    assert places == sorted(places)
    assert "rows.csv" not in present.answer(sql_item([], ["city"]))


def test_small_numbers_are_not_rounded_away() -> None:
    cells = present.table(["share"], [[0.00001234], [-0.00002], [0.0], [0.1 + 0.2], [12.5]]).splitlines()[2:]
    assert [cell.strip("| ").replace("&#46;", ".").replace("&#45;", "-") for cell in cells] == [
        "1.234e-05", "-2e-05", "0", "0.3", "12.5",
    ]  # fmt: skip
