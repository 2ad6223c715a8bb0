"""An answer in the browser while it is written: piece by piece in its bubble, as Markdown, and never as markup."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.app import App
from tests.support.browser import Visitor, visit
from tests.support.paced import paced
from tests.ui.test_chat_page import PAYLOADS

pytestmark = pytest.mark.browser
QUESTION = "how many customers"
WATCH = """() => {
  window.pieces = [];
  new MutationObserver(() => {
    const text = document.querySelector('#chat .fw-live')?.innerText;
    if (text && text !== pieces.at(-1)) pieces.push(text);
  }).observe(document.querySelector('#chat'), {subtree: true, childList: true, characterData: true});
}"""
MARKDOWN = """Some **bold** and `code`
and a [link](https://evil.example/x).

## Head

- one
  - deeper
- two

3. three

| a | b |
|---|--:|
| 1 | 2 |

> quoted

```python
x = "<b>"
"""


@pytest.fixture
def guest(app: App, browser: Browser) -> Iterator[Visitor]:
    visitor = visit(browser)
    visitor.open(app.url)
    expect(visitor.page.get_by_text(app.services.task.examples()[0], exact=True)).to_be_visible()
    yield visitor
    visitor.context.close()


def test_an_answer_grows_in_its_bubble(app: App, guest: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"word{number} " for number in range(30)]
    begin = paced(app, monkeypatch, words, 0.06)
    page = guest.page
    page.evaluate(WATCH)
    page.get_by_role("textbox", name="Message").fill(QUESTION)
    with page.expect_request("**/answers/*/live"):
        page.get_by_role("textbox", name="Message").press("Enter")
    begin.set()
    expect(page.locator("#chat .fw-version")).to_have_count(1)
    expect(page.locator("#chat .fw-live")).to_have_count(0)
    pieces = [piece for piece in page.evaluate("window.pieces") if piece.startswith("word0")]
    assert len(pieces) >= 2 and sorted(pieces, key=len) == pieces, page.evaluate("window.pieces")
    assert guest.troubles == []


def test_what_is_written_is_shown_as_markdown_and_does_nothing(guest: Visitor) -> None:
    page, asked = guest.page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    texts = [MARKDOWN, "\n\n".join(PAYLOADS), ">" * 5000, "**`" * 3000]
    body = f"data: {json.dumps([{'text': text} for text in texts])}\n\nevent: end\ndata:\n\n"
    page.route("**/answers/*/live", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.evaluate(
        """(count) => {
          for (let at = 0; at < count; at++) {
            const place = Object.assign(document.createElement('div'), {className: 'fw-live', id: `live-x-${at}`});
            document.querySelector('#chat').append(place);
          }
        }""",
        len(texts),
    )
    shown = [page.locator(f"#live-x-{at}") for at in range(len(texts))]
    expect(shown[0].locator("pre code")).to_have_text('x = "<b>"')
    for tag, words in (
        ("strong", "bold"), ("p > code", "code"), ("h2", "Head"), ("ul ul li", "deeper"), ("ol[start='3'] li", "three"),
        ("th[align=right]", "b"), ("td[align=right]", "2"), ("blockquote p", "quoted"),
    ):  # fmt: skip
        expect(shown[0].locator(tag)).to_have_text(words)
    expect(shown[0].locator("a")).to_have_count(0)
    expect(shown[1]).to_contain_text("<img src=x onerror=window.p=1>")
    expect(shown[1].locator("img, script, a, form, iframe, style, input, details, meta, svg")).to_have_count(0)
    expect(shown[3]).to_contain_text("**`")
    assert page.evaluate("window.p") is None and not [url for url in asked if "evil.example" in url]
    assert guest.troubles == []
