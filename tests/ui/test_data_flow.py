"""The Data page from a dropped file to a dataset on the Hub, over a model, a teacher and a Hub of the test's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from flywheel.imports import import_bytes
from flywheel.roles import Principal, Role
from tests.support.app import App, serving, settings_for
from tests.support.browser import visit
from tests.support.hub.server import HubServer
from tests.support.openai_server import OpenAIServer, openai_server

pytestmark = pytest.mark.browser
OWNER = Principal("local:owner", Role.OWNER)
PAIRS = [
    {"question": f"what does part {number} of the manual say", "answer": f"It says {number}."} for number in (1, 2)
]
DROP = """(zone, [name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: "application/json"}));
    zone.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def teacher() -> Iterator[OpenAIServer]:
    with openai_server(answer=lambda messages: json.dumps(PAIRS)) as server:
        yield server


@pytest.fixture
def app(teacher: OpenAIServer, hub: HubServer, tmp_path: Path) -> Iterator[App]:
    settings = settings_for(
        tmp_path / "home", task="chat", engine="openai", base_model="parrot", openai_base_url=teacher.url,
        teacher_model="parrot", teacher_base_url=teacher.url, hub_endpoint=hub.url, hub_token=hub.writer,
    )  # fmt: skip
    with serving(settings) as running:
        yield running


def rows(first: int, last: int, answer: str = "answer") -> str:
    told = [{"prompt": f"question {i} of thing {i} in {i}", "completion": f"{answer} {i}"} for i in range(first, last)]
    return "".join(json.dumps(row) + "\n" for row in told)


def unfold(page: Page, title: str) -> None:
    page.locator("button.label-wrap", has_text=title).first.click()


def test_rows_are_dropped_frozen_compared_exported_and_pushed(
    app: App, hub: HubServer, browser: Browser, tmp_path: Path
) -> None:
    owner = visit(browser)
    owner.open(app.owner_link)
    page = owner.open(f"{app.url}/data")
    unfold(page, "Import")
    page.locator("#import-file input[type=file]").wait_for(state="attached")
    page.locator("#import-file button").first.evaluate(DROP, ["rows.jsonl", rows(0, 20)])
    # The name stands there while it is sent; the link, when it is here.
    expect(page.locator("#import-file a[download]")).to_have_count(1)
    page.locator("#import-approved input").click()
    expect(page.locator("#import-approved input")).to_be_checked()
    page.locator("#import").click()
    expect(page.locator("#imported")).to_contain_text("20 added, 0 here already, 0 bad")
    page.locator("#freeze").click()
    expect(page.locator("#frozen")).to_contain_text("d1")
    import_bytes(app.services.importer, OWNER, "more.jsonl", rows(20, 23).encode(), approved=True)
    page.locator("#freeze").click()
    expect(page.locator("#frozen")).to_contain_text("d2")
    _compare_and_report(page)
    _export(page, tmp_path)
    unfold(page, "Push to the Hub")
    page.locator("#push-repo textarea, #push-repo input").first.fill("alice/rows")
    page.locator("#push").click()
    expect(page.locator("#pushed")).to_contain_text("alice/rows")
    expect(page.locator("#pushed [role=progressbar]")).to_have_count(0)
    assert list(hub.repo("dataset", "alice/rows").tags) == ["d2"]
    _synthesize(page, tmp_path)
    assert not owner.troubles
    owner.context.close()


def _compare_and_report(page: Page) -> None:
    unfold(page, "Compare two versions")
    page.locator("#diff-old").get_by_role("textbox").fill("d1")
    page.locator("#diff-new").get_by_role("textbox").fill("d2")
    page.locator("#compare").click()
    shown = page.locator("#dataset-diff")
    expect(shown).to_contain_text("d1 → d2")
    expect(shown.locator("tbody tr")).to_have_count(3)
    page.locator("#report-of input").click()
    page.get_by_role("option", name="d2", exact=True).click()
    page.locator("#show-report").click()
    expect(page.locator("#report")).to_contain_text("d2: 23 rows")
    expect(page.locator("#report svg").first).to_be_visible()


def _export(page: Page, folder: Path) -> None:
    unfold(page, "Export")
    page.locator("#export-what").get_by_text("the version under").click()
    expect(page.locator("#export-what").get_by_label("the version under")).to_be_checked()
    page.locator("#export").click()
    link = page.locator("#export-file a[download]").first
    expect(link).to_be_visible()
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "d2.jsonl")
    assert len((folder / "d2.jsonl").read_text().splitlines()) == 23


def _synthesize(page: Page, folder: Path) -> None:
    (folder / "manual.md").write_text("Part 1 and part 2.\n" * 5)
    unfold(page, "Synthetic pairs")
    page.locator("#synthesis-source").get_by_label("documents").click()
    expect(page.locator("#synthesis-documents")).to_be_visible()
    page.locator("#synthesis-documents input[type=file]").set_input_files(str(folder / "manual.md"))
    expect(page.locator("#synthesis-documents a[download]")).to_have_count(1)
    page.locator("#synthesize").click()
    expect(page.locator("#synthesized")).to_contain_text("2 rows wait for review")
