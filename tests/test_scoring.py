"""How long a test answer may be: what people's answers may, where that is set."""

import json
from dataclasses import replace
from pathlib import Path

from flywheel.scoring import Scoring
from flywheel.tasks.chat import ChatTask
from tests.support.adapters import make_adapter
from tests.support.shelf import add_version
from tests.support.station import open_station, settings_for
from tests.support.tiny import make_tiny_model
from trainers.job import PREDICT


def test_answers_are_as_long_as_is_set_and_asked_anew_when_that_changes(tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    station = open_station(settings_for(tmp_path / "home", base))
    add_version(station, make_adapter(base, tmp_path / "adapter", seed=1))
    run = station.runs.get(1)
    assert run is not None
    for given, most in ((None, 256), (40, 40)):
        settings = replace(station.settings, max_tokens=given)
        scoring = Scoring(station.store, station.home, station.base, ChatTask(""), settings)
        assert scoring.request(run, ["v0"])
        asked = json.loads((station.home.run_dir(1) / PREDICT).read_text())
        assert {suite["max_new_tokens"] for suite in asked["suites"]} == {most}
    station.close()
