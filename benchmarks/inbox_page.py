"""The inbox as a reviewer sees it: seconds in Chromium until it is there, and from a key to what it shows.

`python -m benchmarks.inbox_page [--examples N] [--rounds N]`. The home is that of `benchmarks.inbox` (1M turns, 200k
thumbs, 25k examples), served over a model that is not asked. The peer is a bare Gradio page, opened in the same run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from benchmarks import chat, inbox
from storage.database import Database
from storage.home import Home
from tests.support.browser import started, visit

SHOWN = "document.querySelector('#item [data-item]')?.dataset.item"
LISTED = "[...document.querySelectorAll('#queue label')].map((row) => row.textContent).join()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(Path(folder) / "home")
        Database.open(home.database, home.ledger_tail).close()
        inbox.fill(home.database, options.examples)
        serving, peer = chat.running("--serve", str(home.path)), chat.running("--bare")
        with serving as (url, _), peer as (bare, _), started() as browser:
            figures = measured(browser, url, bare, signed_in(str(home.path)), options.rounds)
    for name, seconds in figures.items():
        print(f"{name:34} p50 {statistics.median(seconds):.2f} s, most {max(seconds):.2f} s")


def signed_in(home: str) -> str:
    """A link that signs a reviewer in."""
    command = [sys.executable, "-m", "flywheel", "login-link", "--role", "reviewer", "--name", "ann", "--json"]
    told = subprocess.run(command, env={"FLYWHEEL_HOME": home}, capture_output=True, text=True, check=True)
    return str(json.loads(told.stdout)["link"])


def measured(browser: Browser, url: str, bare: str, link: str, rounds: int) -> dict[str, Sequence[float]]:
    page = visit(browser).page
    page.goto(link)
    page.get_by_role("button").first.click()
    expect(page.get_by_role("main").first).to_be_visible()

    def opened() -> None:
        page.goto(f"{url}/review")
        page.wait_for_function(SHOWN)

    def peer() -> None:
        page.goto(bare)
        expect(page.get_by_role("textbox").first).to_be_visible()

    opened()
    figures: dict[str, Sequence[float]] = {
        "opened, first item there": timed(opened, rounds),
        "a bare Gradio page opened": timed(peer, rounds),
    }
    opened()
    figures["next 50"] = timed(lambda: turning(page, LISTED, lambda: page.locator("#queue-on").click()), rounds)
    figures["skip (key s), next item"] = timed(lambda: turning(page, SHOWN, lambda: page.keyboard.press("s")), rounds)
    figures["approve (key a), next item"] = timed(lambda: turning(page, SHOWN, lambda: press(page, "a")), rounds)
    words = iter(str(n) for n in range(500, 500 + rounds))
    figures["search, first item there"] = timed(lambda: turning(page, SHOWN, lambda: search(page, next(words))), rounds)
    return figures


def press(page: Page, key: str) -> None:
    page.keyboard.press(key)


def search(page: Page, words: str) -> None:
    page.locator("#search").get_by_role("textbox").fill(words)
    page.keyboard.press("Enter")


def turning(page: Page, what: str, act: Callable[[], Any]) -> None:
    """Act, until `what` the page shows has changed."""
    before = page.evaluate(what)
    act()
    page.wait_for_function(f"(before) => {{ const now = {what}; return now && now !== before; }}", arg=before)


def timed(act: Callable[[], Any], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
