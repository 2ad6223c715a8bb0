"""The chat page in a browser: asking, stopping, rating, correcting, coming back, on a phone and in the dark."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.roles import Principal, Role
from storage.conversations import ConversationStore, Turn
from tests.conftest import ANSWERS
from tests.support.app import App
from tests.support.browser import Visitor, visit

pytestmark = pytest.mark.browser
PAYLOADS = (
    "<img src=x onerror=window.p=1>",
    "<script>window.p=1</script>",
    "<svg/onload=window.p=1>",
    "<iframe srcdoc='<script>parent.p=1</script>'></iframe>",
    "<details open ontoggle=window.p=1>",
    "<a href='javascript:window.p=1'>click</a>",
    "[click](javascript:window.p=1)",
    "![](https://evil.example/leak.png)",
    "<form action='https://evil.example'><button>go</button></form>",
    "<style>*{display:none}</style>",
    "</span></p></div><script>window.p=1</script>",
    "$$\\href{javascript:window.p=1}{x}$$",
    "```mermaid\ngraph TD; A-->B; click A callback\n```",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<input autofocus onfocus=window.p=1>",
)


@pytest.fixture
def guest(app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser)
    visitor.open(app.url)
    yield visitor
    visitor.context.close()


def ask(page: Page, question: str) -> None:
    """Send a question and wait for its whole answer."""
    badges = page.get_by_text("v0", exact=True)
    before = badges.count()
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(badges).to_have_count(before + 1)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def stored(app: App, visitor: Visitor) -> list[Turn]:
    """The turns of a visitor's latest conversation."""
    conversations = ConversationStore(app.services.database)
    latest = conversations.latest_of(principal(app, visitor).id)
    return conversations.turns(latest.id) if latest else []


def principal(app: App, visitor: Visitor) -> Principal:
    return app.services.identity.of({c["name"]: c["value"] for c in visitor.context.cookies()})


def seeded(app: App, visitor: Visitor, answer: str, **details: Any) -> None:
    """A conversation that holds an answer no model gave."""
    who, conversations = principal(app, visitor).id, ConversationStore(app.services.database)
    made = conversations.start(owner=who, task="sql", by=who)
    question = conversations.add_turn(conversation_id=made.id, parent_id=None, role="user", content=answer, by=who)
    conversations.add_turn(
        conversation_id=made.id,
        parent_id=question.id,
        role="assistant",
        content=answer,
        version="v0",
        details=details,
        by=who,
    )


def test_answer_has_sentence_table_sql_and_badge(app: App, guest: Visitor) -> None:
    ask(guest.page, "how many customers")
    answer = guest.page.locator("#chat .bot").last
    count = app.services.task.outcome(ANSWERS["how many customers"]).rows[0][0]
    expect(answer.locator("td")).to_have_text(str(count))
    expect(answer.locator("code")).to_be_hidden()
    answer.get_by_text("SQL", exact=True).click()
    expect(answer.locator("code")).to_have_text(re.compile(re.escape(ANSWERS["how many customers"])))
    assert guest.troubles == []


def test_long_result_is_cut_and_opens_whole(app: App, guest: Visitor) -> None:
    ask(guest.page, "show me all customers")
    total = len(app.services.task.outcome(ANSWERS["show me all customers"]).rows)
    expect(guest.page.locator("#chat .bot").last.locator("tbody tr")).to_have_count(20)
    guest.page.get_by_role("button", name=f"All {total} rows").click()
    expect(guest.page.locator("#all-rows").get_by_role("gridcell").first).to_be_visible()


def test_dangerous_answer_is_not_run(app: App, guest: Visitor) -> None:
    before = app.services.task.outcome("SELECT count(*) FROM orders").rows
    ask(guest.page, "delete all orders")
    assert app.services.task.outcome("SELECT count(*) FROM orders").rows == before
    assert stored(app, guest)[-1].details["sql"]["accepted"] is False


def test_first_visit_offers_questions_that_are_asked_at_a_click(app: App, guest: Visitor) -> None:
    question = app.services.task.examples()[0]
    guest.page.get_by_text(question, exact=True).click()
    expect(guest.page.get_by_text("v0", exact=True)).to_be_visible()
    assert stored(app, guest)[0].content == question


def test_correction_is_asked_tried_sent_and_thanked(app: App, guest: Visitor) -> None:
    page = guest.page
    page.get_by_role("button", name="Yes").click()
    ask(page, "how many customers")
    page.get_by_role("button", name="Dislike", exact=True).click()
    box = page.get_by_role("textbox", name="Corrected answer", exact=True)
    expect(box).to_have_value(ANSWERS["how many customers"])
    box.fill("SELECT 4711 AS n")
    # The difference comes above the buttons and moves them: a click in that moment meets none.
    expect(page.get_by_text("What you change")).to_be_visible()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#tried td").last).to_have_text("4711")
    page.get_by_label("Wrong filter or period").click()
    page.get_by_label("Comment").fill("only those of this year")
    page.get_by_role("button", name="Send correction").click()
    expect(page.locator("#thanks")).to_contain_text("A reviewer looks at your correction")
    expect(page.locator("#chat")).to_contain_text("Your correction: waits for a reviewer")
    expect(box).to_be_hidden()
    example = app.services.curation.inbox(Principal("local:reviewer:ann", Role.REVIEWER))[0]
    assert (example.completion, example.reasons, example.comment) == (
        "SELECT 4711 AS n", ["wrong_filter"], "only those of this year",
    )  # fmt: skip
    assert guest.troubles == []


def test_unchanged_correction_is_refused_in_words(guest: Visitor) -> None:
    page = guest.page
    ask(page, "how many customers")
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.get_by_role("textbox", name="Corrected answer", exact=True)).to_have_value(
        ANSWERS["how many customers"]
    )
    page.get_by_role("button", name="Send correction").click()
    expect(page.get_by_text("Change the answer, pick a reason")).to_be_visible()
    page.locator("#close-correction").click()
    expect(page.get_by_role("textbox", name="Corrected answer", exact=True)).to_be_hidden()


def test_conversation_and_thumbs_survive_a_reload(app: App, guest: Visitor) -> None:
    page = guest.page
    ask(page, "how many customers")
    ask(page, "who are you")
    page.get_by_role("button", name="Like", exact=True).last.click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.reload()
    expect(page.get_by_text("v0", exact=True)).to_have_count(2)
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    expect(page.locator("#chat .user").last).to_have_text("who are you")
    page.get_by_role("button", name="Liked").click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("v0", exact=True)).to_have_count(2)
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)


def test_new_chat_begins_anew(app: App, guest: Visitor) -> None:
    ask(guest.page, "how many customers")
    guest.page.get_by_role("button", name="New chat").click()
    expect(guest.page.get_by_text("v0", exact=True)).to_have_count(0)
    ask(guest.page, "who are you")
    assert [turn.content for turn in stored(app, guest)] == ["who are you", ANSWERS["who are you"]]


def test_guests_see_their_own_only(app: App, browser: Browser, guest: Visitor) -> None:
    ask(guest.page, "how many customers")
    other = visit(browser)
    other.open(app.url)
    expect(other.page.get_by_text(app.services.task.examples()[0])).to_be_visible()
    expect(other.page.get_by_text("how many customers", exact=True)).to_have_count(0)
    other.context.close()


def test_nothing_written_acts_as_markup(app: App, guest: Visitor) -> None:
    asked: list[str] = []
    guest.page.on("request", lambda request: asked.append(request.url))
    everything = "\n\n".join(PAYLOADS)
    told = {
        "sql": everything,
        "sentence": everything,
        "columns": list(PAYLOADS),
        "rows": [list(PAYLOADS)],
        "row_count": 1,
    }
    for details in ({}, {"sql": told}):
        seeded(app, guest, everything, **details)
        guest.page.reload()
        expect(guest.page.get_by_text("v0", exact=True)).to_be_visible()
        expect(guest.page.locator("#chat")).to_contain_text("<img src=x onerror=window.p=1>")
        assert guest.page.evaluate("window.p") is None
    assert [url for url in asked if "evil.example" in url] == []
    assert guest.page.url.startswith(app.url) and not [t for t in guest.troubles if t.startswith("dialog")]


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_and_can_be_used(app: App, browser: Browser, size: str, dark: bool) -> None:
    visitor = visit(browser, size=size, dark=dark)
    page = visitor.open(app.url)
    ask(page, "show me all customers")
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("Like", "Dislike"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box and box["width"] >= 32 and box["height"] >= 32
    assert page.evaluate("document.body.classList.contains('dark')") is dark
    expect(page.get_by_role("textbox", name="Message")).to_be_in_viewport()
    assert visitor.troubles == []
    visitor.context.close()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_send_stays_in_sight_however_long_the_message(app: App, browser: Browser, size: str) -> None:
    visitor = visit(browser, size=size)
    page = visitor.open(app.url)
    ask(page, "show me all customers")
    message, send = page.get_by_role("textbox", name="Message"), page.get_by_role("button", name="Send", exact=True)
    before = page.locator("#chat").bounding_box()
    message.fill("How many orders and customers are there? " * 60)
    expect(send).to_be_in_viewport(ratio=1)
    message.fill("")
    expect(page.locator("#chat")).to_have_css("height", f"{before['height']:g}px" if before else "")
    visitor.context.close()


def test_working_pages_tell_guests_how_to_sign_in(app: App, guest: Visitor) -> None:
    for path in ("review", "data", "train", "versions"):
        page = guest.open(f"{app.url}/{path}")
        expect(page.get_by_text("login-link")).to_be_visible()
        expect(page.get_by_role("button", name="Freeze")).to_be_hidden()
    assert guest.troubles == []


def test_owner_link_signs_in_and_hides_its_token(app: App, guest: Visitor) -> None:
    guest.page.goto(app.owner_link)
    assert guest.page.url == f"{app.url}/"
    guest.open(f"{app.url}/versions")
    expect(guest.page.get_by_role("button", name="Roll back")).to_be_visible()


def test_wrong_link_is_refused_in_words(app: App, guest: Visitor) -> None:
    response = guest.page.goto(f"{app.url}/enter?token=<b>wrong")
    assert response is not None and response.status == 401
    expect(guest.page.get_by_text("This sign-in link is wrong or too old")).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("phone", True)])
def test_result_is_drawn_and_can_be_taken_along(app: App, browser: Browser, size: str, dark: bool) -> None:
    visitor = visit(browser, size=size, dark=dark)
    page, asked = visitor.open(app.url), []
    page.on("request", lambda request: asked.append(request.url))
    sql = "SELECT city, count(*) AS customers FROM customers GROUP BY city ORDER BY city"
    told = app.services.task.outcome(sql)
    assert told is not None
    thoughts = "![](https://evil.example/a.png) <b>so</b>"
    seeded(app, visitor, sql, thinking=thoughts, sql={**vars(told), "row_count": len(told.rows)})
    page.reload()
    answer = page.locator("#chat .bot").last
    expect(answer.locator(".fw-plot rect")).to_have_count(len(told.rows))
    expect(answer.get_by_role("img", name=re.compile("^Bars: customers by city"))).to_be_visible()
    expect(answer.get_by_text("<b>so</b>")).to_be_hidden()
    answer.get_by_text("Thoughts before the answer").click()
    expect(answer.get_by_text("<b>so</b>")).to_be_visible()
    answer.get_by_text("SQL", exact=True).click()
    expect(answer.locator("pre .token.keyword").first).to_have_text("SELECT")
    with page.expect_download() as download:
        answer.get_by_text("Download CSV").click()
    assert download.value.path().read_text("utf-8-sig").splitlines()[0] == "city,customers"
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if "evil.example" in url] == [] and visitor.troubles == []
    visitor.context.close()
