"""What comes through a key whose owner said no: never in the inbox, a dataset or an export, also after forgetting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import Forbidden, NotFound
from flywheel.exports import export_lines
from flywheel.keys import Keys
from flywheel.privacy import Privacy
from flywheel.roles import Principal, Role
from flywheel.tasks.chat import ChatTask
from flywheel.ui.data import rows_view, versions_view
from storage.keys import KeyStore
from tests.privacy.test_consent import corrected, inbox
from tests.support.desk import OWNER, REVIEWER, Desk

WHAT = ("examples", "turns", "feedback", "preferences")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


@pytest.fixture
def keys(desk: Desk) -> Keys:
    return Keys(KeyStore(desk.database), "o" * 43)


def program(keys: Keys, learning: bool) -> Principal:
    return Principal(f"key:{keys.create(OWNER, 'guest', learning=learning).id}", Role.GUEST)


def exported(desk: Desk) -> str:
    return "".join(line for what in WHAT for line in export_lines(desk.exporter, OWNER, what=what))


def test_a_key_says_whether_its_words_are_learnt_from(desk: Desk, keys: Keys) -> None:
    silent, open_one = program(keys, False), program(keys, True)
    corrected(desk, silent, "heron")
    told = corrected(desk, open_one, "otter")
    assert inbox(desk) == [told.id]
    assert "heron" not in exported(desk) and "otter" in exported(desk)
    after_restart = Keys(KeyStore(desk.database), "o" * 43).listing(OWNER)
    assert [(key.id, key.learning) for key in after_restart] == [("k1", False), ("k2", True)]


def test_the_owner_may_say_otherwise_later_and_it_holds_for_what_came(desk: Desk, keys: Keys) -> None:
    who = program(keys, True)
    example = corrected(desk, who, "heron")
    assert keys.learn(OWNER, "k1", False).learning is False
    assert inbox(desk) == [] and "heron" not in exported(desk)
    keys.learn(OWNER, "k1", True)
    assert inbox(desk) == [example.id]
    with pytest.raises(Forbidden):
        keys.learn(REVIEWER, "k1", False)
    with pytest.raises(NotFound, match="`k9`"):
        keys.learn(OWNER, "k9", False)


def test_forgetting_what_came_through_a_key_keeps_what_its_owner_said(desk: Desk, keys: Keys) -> None:
    who = program(keys, False)
    corrected(desk, who, "heron")
    Privacy(desk.database, desk.home).forget(OWNER, who.id)
    corrected(desk, who, "otter")
    assert inbox(desk) == [] and "otter" not in exported(desk)


def test_a_withdrawn_row_is_counted_and_its_text_shown_no_more(desk: Desk, keys: Keys) -> None:
    who = program(keys, True)
    example = corrected(desk, who, "heron")
    desk.curation.approve(REVIEWER, example.id, expected_event=example.event_id)
    version = desk.datasets.freeze(OWNER).version
    rows = desk.datasets.rows(REVIEWER, version.id)
    assert "heron is good" in rows_view(rows, version.id, rows[0].side, 1)
    keys.learn(OWNER, "k1", False)
    shown = rows_view(desk.datasets.rows(REVIEWER, version.id), version.id, rows[0].side, 1)
    assert "withdrawn by its author" in shown and "heron" not in shown
    assert desk.datasets.withdrawn(REVIEWER) == {version.id: 1}
    assert "<td>7</td>" in versions_view([version], {version.id: 7})
