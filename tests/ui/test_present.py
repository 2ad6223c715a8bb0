"""What the pages are given to show: nothing that a person, a model or a database wrote acts as markup."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flywheel.chat import ThreadItem
from flywheel.reply import Update
from flywheel.ui import present
from flywheel.wheel import Step, WheelStatus
from storage.conversations import Turn
from storage.feedback import Correction, Feedback

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PAYLOADS = (
    "<img src=x onerror=window.p=1>",
    "<script>window.p=1</script>",
    "<svg/onload=window.p=1>",
    "[x](javascript:window.p=1)",
    "![x](https://evil.example/x.png)",
    "</details><h1>big</h1>",
    "| a | b |",
    "`` ` ``` ~~~",
    "$$\\text{x}$$",
    "# title\n- item\n1. one\n> quote\n    code",
    "**bold** _it_ ~~no~~ <b>b</b> &lt;b&gt; &amp;",
)


def so_far(text: str, *, sql: bool, thinking: str = "") -> tuple[str, str]:
    """An answer under way: for the script, and what stands in the bubble's place for it, with the tags' ends."""
    update = Update("c", "q", "a", text, thinking)
    bubble = present.growing(update, sql=sql)
    assert bubble.startswith('<div class="fw-live" id="live-a-0">') and bubble.endswith("</div>")
    return present.live(update, sql=sql)[0], bubble[34:-5]


def html_of(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True, "breaks": True}).enable("table").render(markdown)


def text_of(markdown: str) -> str:
    import re
    from html import unescape

    broken = re.sub(r"<br ?/?>\n?|</p>\n<p>", "\n", html_of(markdown))
    return unescape(re.sub(r"<[^>]+>", "", broken))


def item(role: str = "assistant", content: str = "SELECT 1", **more: Any) -> ThreadItem:
    fields = {"state": "complete", "version": "v0", "details": {}} | more
    turn = Turn("t1", "c1", None, role, content, fields["state"], fields["version"], "page", fields["details"], NOW)
    rating = Feedback("f1", "t1", "guest:1", more["rating"], [], "", NOW) if "rating" in more else None
    correction = Correction("k1", "t1", "guest:1", "x", NOW) if "standing" in more else None
    return ThreadItem(turn, rating, correction, more.get("standing"))


def sql_item(rows: list[list[Any]], columns: list[str] | None = None, **more: Any) -> ThreadItem:
    names = columns or [f"c{i}" for i in range(len(rows[0]) if rows else 1)]
    told = {"sql": "SELECT 1", "accepted": True, "reason": "", "columns": names, "rows": rows, "sentence": "So it is."}
    return item(details={"sql": told | {"row_count": len(rows), "truncated": False} | more})


@pytest.mark.parametrize("payload", PAYLOADS)
def test_typed_text_is_shown_as_typed(payload: str) -> None:
    shown = html_of(present.plain(payload))
    assert "<" not in shown.replace("<p>", "").replace("</p>", "").replace("<br />", "").replace("<br>", "")
    assert text_of(present.plain(payload)).strip() == payload.replace("    code", "\xa0\xa0\xa0\xa0code").strip()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_any_text_makes_no_element(text: str) -> None:
    shown = html_of(present.plain(text))
    for allowed in ("<p>", "</p>", "<br />", "<br>"):
        shown = shown.replace(allowed, "")
    assert "<" not in shown


@pytest.mark.parametrize("payload", PAYLOADS)
def test_model_markdown_keeps_no_html(payload: str) -> None:
    shown = html_of(present.prose(payload))
    assert not any(tag in shown for tag in ("<img src=x", "<script", "<svg", "<h1>big", "<b>"))


def test_model_markdown_keeps_its_code() -> None:
    assert "a &lt; b" in html_of(present.prose("```python\na < b\n```"))
    assert "<strong>so</strong>" in html_of(present.prose("**so**"))


@pytest.mark.parametrize("code", ["SELECT '```'", "````", "a\n```\n<img src=x>", "~~~"])
def test_code_cannot_leave_its_block(code: str) -> None:
    shown = html_of(present.fence(code, "sql"))
    assert shown.count("<pre>") == 1 and shown.strip().endswith("</pre>") and "<img" not in shown


@pytest.mark.parametrize("payload", PAYLOADS)
def test_cells_and_column_names_are_inert(payload: str) -> None:
    shown = html_of(present.answer(sql_item([[payload, 1]], [payload, "n"])))
    assert shown.count("</td>") == 2 and shown.count("</th>") == 2
    assert not any(tag in shown for tag in ("<img", "<script", "<svg", "<h1>", "javascript:window.p=1)</a"))


def test_numbers_stand_right_and_missing_ones_show() -> None:
    table = present.table(["city", "share"], [["Oslo", 0.5], ["Rome", None]])
    assert table.splitlines()[1] == "| --- | ---: |"
    assert [line.split("|")[2].strip() for line in table.splitlines()[2:]] == ["0&#46;5", "—"]


def test_long_result_says_it_is_cut() -> None:
    shown = present.answer(sql_item([[n] for n in range(57)]))
    assert "20 rows of 57." in shown and shown.count("\n| ") == 22
    assert present.more_rows(sql_item([[n] for n in range(57)])) == 57
    assert present.more_rows(sql_item([[n] for n in range(20)])) == 0


def test_truncated_result_says_there_is_more() -> None:
    assert "the first 1000, and there are more" in present.answer(sql_item([[n] for n in range(1000)], truncated=True))


def test_answer_has_sentence_table_sql_and_badge_in_order() -> None:
    shown = present.answer(sql_item([[1]]))
    places = [
        shown.index(part) for part in ("So it is", "| c0 |", "<summary>SQL", '<span class="fw-version">v0</span>')
    ]
    assert places == sorted(places)


def test_refusal_in_words_is_not_a_table() -> None:
    told = {
        "sql": None,
        "accepted": False,
        "reason": "",
        "columns": [],
        "rows": [],
        "sentence": "I only know the shop.",
    }
    shown = present.answer(item(content="I only know the shop.", details={"sql": told}))
    assert "I only know the shop" in text_of(shown) and "<summary>" not in shown


@pytest.mark.parametrize(
    ("state", "details", "words"),
    [
        ("failed", {"error": "The model is gone."}, "The model is gone."),
        ("failed", {}, "This answer failed."),
        ("stopped", {"finish_reason": "cancelled"}, "Stopped."),
        ("stopped", {"finish_reason": "deadline"}, "took too long"),
        ("aborted", {}, "cut off when the page was closed"),
        ("complete", {"finish_reason": "length"}, "length limit"),
        ("complete", {"left_out": 4}, "first 4 messages were left out"),
    ],
)
def test_how_it_ended_is_said(state: str, details: dict[str, Any], words: str) -> None:
    assert words in text_of(present.answer(item(content="half", state=state, details=details)))


def test_empty_answer_is_not_an_empty_bubble() -> None:
    assert "(no answer)" in present.answer(item(content="  "))


def test_correction_tells_where_it_stands() -> None:
    assert "waits for a reviewer" in present.answer(item(standing="pending"))
    assert "approved" in present.answer(item(standing="approved"))


def test_thumbs_follow_the_answers_only() -> None:
    items = [item("user"), item(rating="down"), item("user"), item(rating="up"), item("tool"), item(rating=None)]
    assert present.thumbs(items) == ["Dislike", "Like", None]
    assert [m["role"] for m in present.messages(items)] == ["user", "assistant", "user", "assistant", "assistant"]


def test_growing_sql_is_code_and_words_are_words() -> None:
    assert so_far("SELECT 1 `` ", sql=True) == ("```sql\nSELECT 1 `` ", ">\n\n```sql\nSELECT 1 `` \n```\n\n<")
    assert so_far("with a as (select 1)", sql=True)[0].startswith("```sql")
    assert so_far("I only", sql=True) == ("I only", ">\n\nI only\n\n<")
    assert so_far("", sql=True)[0] == "Writing the query …"


def test_growing_answer_is_safe_in_the_bubble_and_as_it_is_for_the_script() -> None:
    raw, bubble = so_far("<b>![x](y)", sql=False)
    assert raw == "<b>![x](y)" and bubble == ">\n\n&lt;b>&#33;[x](y)\n\n<"
    both = Update("c", "q", "a", "left", other=Update("c", "q", "b", "right ```\nx"))
    assert present.live(both, sql=False) == ["left", "right ```\nx"]
    assert [f'id="live-a-{at}"' in present.growing(both, sql=False) for at in (0, 1)] == [True, True]


def test_strip_marks_the_next_step() -> None:
    status = WheelStatus(
        14, 52, 10, 20, "d3", 7, "running", 0.61, "v4", "passed", "v3", Step("wait", "Run <7>", "/train"), "20 more"
    )
    shown = present.wheel_strip(status)
    assert [word in shown for word in ("14 waiting", "52 approved", "d3", "run 7, 61%", "v4 passes", "serving v3")] == [
        True
    ] * 6
    assert shown.count("fw-next>") == 1 and "Run &lt;7&gt;" in shown


def test_thoughts_are_folded_before_the_answer_and_inert() -> None:
    shown = present.answer(item(content="It is 4.", details={"thinking": "<img src=x>\n**two**"}))
    assert shown.index("<summary>Thoughts") < shown.index("</details>") < shown.index("It is 4.")
    assert "<img" not in html_of(shown) and "<strong>" not in html_of(shown)
    assert "(no answer)" in present.answer(item(content="", details={"thinking": "two"}))
    assert so_far("", sql=False, thinking="two")[0] == "*Thinking …*"
    assert so_far("It", sql=False, thinking="two")[0] == "It"
