"""A base from the Hub through training: every version stands on the commit that was fetched, whatever moves later."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel import programs
from flywheel.base_fetch import BaseFetch
from flywheel.errors import Damaged, Unavailable
from storage.hub import Hub
from tests.support.hub.server import HubServer
from tests.support.station import OWNER, Station, open_station, settings_for
from tests.support.tiny import make_tiny_model
from trainers import environment
from trainers.job import read_job

NAME = "alice/tiny"


def present(station: Station, hub: HubServer) -> Station:
    BaseFetch(station.base, Hub(hub.url, None)).prepare(lambda words, stuck=False: None, threading.Event())
    return station


@pytest.mark.slow
def test_versions_stand_on_the_commit_that_was_fetched(hub: HubServer, tmp_path: Path) -> None:
    environment.silence()
    sha = hub.add("model", NAME, make_tiny_model(tmp_path / "tiny")).head.sha
    settings = replace(settings_for(tmp_path / "home", tmp_path), base_model=NAME, hub_endpoint=hub.url)
    station = open_station(settings)
    station.freeze()
    with pytest.raises(Unavailable, match="not here yet"):
        station.training.start(OWNER)
    present(station, hub)
    run = station.training.start(OWNER, overrides={"max_steps": 2})
    assert station.follow(run.number) == "finished"
    version = station.store.get("v1")
    assert version is not None and (version.base, version.revision) == (NAME, sha)
    assert (read_job(station.home.run_dir(run.number)).base, version.run) == (NAME, run.number)

    while programs._children:
        station.training.poll()
        time.sleep(0.02)
    hub.add("model", NAME, make_tiny_model(tmp_path / "later", seed=9))
    hub.stop()
    station.close()
    again = open_station(settings)
    assert again.versions.show(OWNER, "v1").verdict.state != "passed"
    with pytest.raises(Damaged, match="not here yet"):
        again.versions.promote(OWNER, "v1", "because I say so")
    present(again, hub)
    assert again.versions.promote(OWNER, "v1", "because I say so").version == "v1"
    assert again.versions.adapter("v1") is not None
    again.close()
