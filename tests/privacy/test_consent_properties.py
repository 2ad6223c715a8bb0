"""Over random histories: no dataset row and no export holds a word of somebody who does not allow learning."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel.errors import PUBLIC
from flywheel.exports import FORMATS_OF, WHAT, export_lines
from flywheel.formats import FORMATS
from flywheel.privacy import Privacy
from flywheel.roles import Principal, Role
from flywheel.tasks.chat import ChatTask
from storage.examples import Example
from storage.ledger import verify
from tests.privacy.test_consent import corrected
from tests.support.desk import OWNER, REVIEWER, Desk

PEOPLE = [Principal(f"guest:{name * 32}", Role.GUEST) for name in "ab"]
PLACE = st.integers(0, 7)
WHO = st.integers(0, len(PEOPLE) - 1)
EVENT = st.one_of(
    st.tuples(st.just("choose"), WHO, st.sampled_from(["yes", "yes", "no"])),
    st.tuples(st.just("correct"), WHO, st.none()),
    st.tuples(st.just("approve"), PLACE, st.none()),
    st.tuples(st.just("leave out"), PLACE, st.booleans()),
    st.tuples(st.just("freeze"), st.none(), st.none()),
    st.tuples(st.just("delete"), WHO, st.none()),
)
START: list[Any] = [("choose", 0, "yes"), ("correct", 0, None), ("correct", 1, None), ("approve", 0, None)]


@dataclass
class History:
    """What happened, and what of it may be learnt from by the plain reading of the rules."""

    desk: Desk
    privacy: Privacy
    allows: set[str] = field(default_factory=set)
    told: dict[str, Example] = field(default_factory=dict)
    """Word → the example that came of it."""
    left_out: set[str] = field(default_factory=set)
    forbidden_at: dict[str, set[str]] = field(default_factory=dict)
    """Version → words that it must not hold."""

    def forbidden(self) -> set[str]:
        return {
            word
            for word, example in self.told.items()
            if example.created_by not in self.allows or example.conversation_id in self.left_out
        }

    def do(self, what: str, where: Any, how: Any) -> None:
        if what == "choose":
            self.privacy.choose(PEOPLE[where], how)
            (self.allows.add if how == "yes" else self.allows.discard)(PEOPLE[where].id)
        elif what == "correct":
            word = f"canary{len(self.told)}bird"
            self.told[word] = corrected(self.desk, PEOPLE[where], word)
        elif what == "delete":
            self.privacy.delete_own(PEOPLE[where])
            self.allows.discard(PEOPLE[where].id)
        elif what == "freeze":
            version = self.desk.datasets.freeze(OWNER).version
            self.forbidden_at.setdefault(version.id, set()).update(self.forbidden())
        elif where < len(self.told):
            self._about(list(self.told.values())[where], what, how)

    def _about(self, example: Example, what: str, how: Any) -> None:
        if what == "approve":
            self.desk.curation.approve(REVIEWER, example.id)
            return
        assert example.conversation_id is not None
        owner = next(who for who in PEOPLE if who.id == example.created_by)
        self.privacy.leave_out(owner, example.conversation_id, how)
        (self.left_out.add if how else self.left_out.discard)(example.conversation_id)

    def exports(self) -> str:
        lines: list[str] = []
        for what in WHAT:
            for format in FORMATS_OF.get(what, FORMATS):
                if format == "parquet":
                    continue
                try:
                    lines += export_lines(self.desk.exporter, OWNER, what=what, format=format)
                except PUBLIC:
                    assert what == "dataset", "only a dataset may be missing"
        return "".join(lines)


@settings(max_examples=25)
@given(st.lists(EVENT, min_size=4, max_size=24))
def test_no_word_of_the_unwilling_is_learnt(events: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk.open(Path(folder) / "home", ChatTask())
        history = History(desk, Privacy(desk.database, desk.home))
        try:
            for event in [*START, *events, ("freeze", None, None)]:
                try:
                    history.do(*event)
                except PUBLIC:
                    # Nothing approved, decided already, erased: said to the person, and nothing happened.
                    continue
            _check(history)
        finally:
            desk.database.close()


def _check(history: History) -> None:
    text = history.exports()
    assert [word for word in history.forbidden() if word in text] == []
    seen = str(history.desk.curation.listing(REVIEWER, limit=100)) + str(history.desk.curation.inbox(REVIEWER))
    assert [word for word in history.forbidden() if word in seen] == []
    for version, forbidden in history.forbidden_at.items():
        rows = str(history.desk.frozen.rows(version))
        files = "".join(path.read_text() for path in history.desk.home.dataset_dir(version).iterdir())
        assert [word for word in forbidden if word in rows + files] == []
    assert verify(history.desk.database).ok
