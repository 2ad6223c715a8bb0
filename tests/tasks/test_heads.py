"""Heads of columns that nobody named."""

import pytest

from flywheel.tasks import sentence
from flywheel.tasks.heads import head
from flywheel.ui import result_chart
from flywheel.ui.present import table


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("count_star()", "count"),
        ("count(DISTINCT city)", "different city"),
        ('sum("order total")', "sum of order total"),
        ("round(avg(price), 2)", "average of price"),
        ("max(o.price)", "highest o.price"),
        ('"month"(ordered_on)', "month of ordered_on"),
        ("quarter(o.ordered_on)", "quarter of o.ordered_on"),
        ("city", "city"),
        ("round(price, 2)", "round(price, 2)"),
        ("sum((price * quantity))", "sum((price * quantity))"),
    ],
)
def test_an_unnamed_column_is_headed_in_plain_words(named: str, shown: str) -> None:
    assert head(named) == shown


def test_what_is_shown_of_a_result_has_plain_heads() -> None:
    columns, rows = ["city", "count_star()"], [["Graz", 2], ["Linz", 3], ["Wels", 5]]
    assert table(columns, rows).splitlines()[0] == "| city | count |"
    assert sentence.of_rows(columns, rows[:1], False) == "city: Graz, count: 2."
    chart = result_chart.chart_of(columns, rows, whole=True)
    assert chart is not None and "count by city." in result_chart.drawn(chart)
