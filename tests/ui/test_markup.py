"""What a person, a model or a database wrote is shown as text on the working pages, and never acts."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.ui import markup
from flywheel.ui.charts import Interval, Line, loss_chart, score_chart

HOSTILE = '<img src=x onerror="p=1"><script>p=1</script>&"\''


@pytest.mark.parametrize(
    "html",
    [
        markup.note(HOSTILE),
        markup.notes([HOSTILE]),
        markup.table([HOSTILE], [[HOSTILE]], HOSTILE),
        markup.table(["n"], [[markup.Sentence(f"`{HOSTILE}` {HOSTILE}")]]),
        markup.diff([("same", HOSTILE), ("added", HOSTILE), ("removed", HOSTILE)]),
        markup.facts([(HOSTILE, HOSTILE)]),
        markup.empty(HOSTILE, (HOSTILE, HOSTILE)),
        markup.progress_bar(0.5, HOSTILE),
        score_chart(HOSTILE, [Interval(HOSTILE, 0.5, 0.4, 0.6, 10)]),
        loss_chart([Line(HOSTILE, [(1, 1.0)])]),
    ],
)
def test_hostile_text_stays_text(html: str) -> None:
    assert "<img" not in html and "<script" not in html
    tags = re.findall(r"<[^>]*>", html)
    assert not [tag for tag in tags if "onerror" in tag and "&quot;" not in tag and "aria-label" not in tag]


def test_table_says_what_it_left_out() -> None:
    html = markup.table(["n"], [[i] for i in range(60)], limit=50)
    assert html.count("<tr>") == 51
    assert "The first 50 of 60 rows." in html


def test_messages_show_no_backticks() -> None:
    assert markup.cell(markup.Sentence("`a<b` is none")) == "<code>a&lt;b</code> is none"


def test_null_is_not_an_empty_text() -> None:
    assert "NULL" in markup.cell(None)
    assert markup.cell("") == ""


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(allow_nan=True, allow_infinity=True)), max_size=30))
def test_loss_chart_is_well_formed_for_any_numbers(points: list[tuple[float, float]]) -> None:
    html = loss_chart([Line("train", points), Line("validation", [])])
    if html:
        ElementTree.fromstring(f"<div>{html}</div>")
        assert "nan" not in html.lower() and "inf" not in html.lower()


def test_scores_are_told_in_words_too() -> None:
    html = score_chart(
        "Corrected", [Interval("base v0", 0.02, 0.0, 0.1, 60), Interval("candidate v1", 0.95, 0.9, 1, 60)]
    )
    label = re.search(r'aria-label="([^"]*)"', html)
    assert label is not None
    assert label[1] == "Corrected: base v0 2.0% (0.0% to 10.0%); candidate v1 95.0% (90.0% to 100.0%)"
