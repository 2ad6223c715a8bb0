"""The record of a base on the page: what its files say, and that they say nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from flywheel.base_model import base_model
from flywheel.errors import Forbidden
from flywheel.roles import Principal, Role
from flywheel.settings import read
from flywheel.ui.base import base_view
from tests.support.app import App


def test_starters_licence_is_shown() -> None:
    shown = base_view(base_model(read({})).record())
    assert "apache-2.0" in shown and "<summary>LICENSE</summary>" in shown and "Apache License" in shown


def test_base_without_a_licence_is_told_as_such(tmp_path: Path) -> None:
    record = replace(base_model(read({})).record(), licence=None, licence_files=(), name="<i>x</i>")
    shown = base_view(record)
    assert "not stated" in shown and "Ask whoever published it" in shown and "<i>" not in shown


def test_only_the_owner_is_told(app: App) -> None:
    with pytest.raises(Forbidden):
        app.services.versions.base(Principal("local:reviewer:ann", Role.REVIEWER))
