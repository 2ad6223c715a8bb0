"""On whose terms; the Publish button: how far it is, the tag it made, a second click, an unknown token."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from flywheel.merging import Merging
from tests.support.adapters import make_adapter
from tests.support.app import App, free_port, serving
from tests.support.browser import visit
from tests.support.hub.server import HubServer
from tests.support.shelf import add_version, settle
from tests.support.station import OWNER, open_station, settings_for
from tests.support.tiny import make_tiny_model
from trainers import environment, merge

SHOP = "alice/shop"


@pytest.fixture
def shelf(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An app with v1, which the gate passes and which was merged before."""
    from huggingface_hub import constants

    environment.prepare()
    base = make_tiny_model(tmp_path / "base")
    (base / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n")
    (base / "LICENSE").write_text("<b>by the makers</b> of tiny models")
    station = open_station(settings_for(tmp_path / "home", base))
    name = add_version(station, make_adapter(base, tmp_path / "adapter", seed=1, strength=0.05))
    merging, version = Merging(station.home, station.base, station.versions), station.versions.sound(OWNER, name)
    merging._prepare(version, station.home.merged_dir(name), merging._of(version))
    assert merge.run(station.home.merged_dir(name)) == 0
    station.close()
    # The trainers keep this process off the network; here it talks to the test Hub.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    given = {"hub_endpoint": hub.url, "hub_token": hub.writer, "hub_repo": SHOP, "server_port": free_port()}
    with serving(replace(station.settings, **given)) as running:
        yield running
    settle()


@pytest.mark.browser
def test_terms_and_the_publish_button(shelf: App, hub: HubServer, browser: Browser) -> None:
    owner = visit(browser)
    owner.page.goto(shelf.owner_link)
    page = owner.open(f"{shelf.url}/versions")
    page.get_by_role("button", name="The base model and its licence").click()
    expect(page.locator("#base")).to_contain_text("mit")
    page.get_by_text("LICENSE", exact=True).click()
    expect(page.get_by_text("<b>by the makers</b> of tiny models")).to_be_visible()
    told = page.locator("#publication")
    publish = page.get_by_role("button", name="Publish", exact=True)
    page.get_by_role("button", name="Publish to the Hub").click()
    hub.fault("POST", "/commit/", delay_s=2.5)
    publish.click()
    expect(told).to_contain_text("v1: sending to alice/shop")
    expect(publish).to_be_disabled()
    expect(told).to_contain_text(f"v1 is published: {SHOP} at v1")
    sha = hub.repo("model", SHOP).tags["v1"]
    expect(told.get_by_role("row").nth(1)).to_contain_text(sha[:12])
    expect(told.get_by_role("link", name="v1")).to_have_attribute("href", f"{hub.url}/{SHOP}/tree/v1")

    commits = len(hub.asked("POST", "/commit/|/tag/"))
    expect(publish).to_be_enabled()
    publish.click()
    expect(told).to_contain_text("v1 is published already")
    assert len(hub.asked("POST", "/commit/|/tag/")) == commits

    del hub.tokens[hub.writer]
    expect(publish).to_be_enabled()
    publish.click()
    expect(told.get_by_role("status")).to_have_text(re.compile("does not know the token"))
    assert hub.writer not in page.content()
    owner.context.close()
    assert owner.troubles == []
