"""Who decided what: each decision once, in order, with the text before and after, for those who may read it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.audit import Audit
from flywheel.errors import Forbidden, InvalidInput
from flywheel.tasks.chat import ChatTask
from storage.audit import AuditStore, Filters
from storage.keys import KeyStore
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk

TEXT = "Paris is the capital of France."


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


@pytest.fixture
def audit(desk: Desk) -> Audit:
    return Audit(AuditStore(desk.database))


def test_decisions_stand_with_before_and_after(desk: Desk, audit: Audit) -> None:
    example = desk.corrected("capital of France?", "Lyon", TEXT)
    desk.curation.approve(REVIEWER, example.id, completion="Paris.")
    desk.curation.reopen(OWNER, example.id)
    desk.curation.reject(REVIEWER, example.id, "not ours")
    told = [(e.action, e.by, e.subject, e.before, e.after, e.reason) for e in audit.page(REVIEWER)]
    assert told == [
        ("rejected", REVIEWER.id, example.id, TEXT, TEXT, "not ours"),
        ("reopened", OWNER.id, example.id, "Paris.", TEXT, None),
        ("approved", REVIEWER.id, example.id, TEXT, "Paris.", None),
    ]


def test_pages_follow_each_other_without_gaps(desk: Desk, audit: Audit) -> None:
    desk.approved([(f"question {i} about {i}", "answer") for i in range(60)])
    desk.datasets.freeze(OWNER, note="first")
    first = audit.page(REVIEWER)
    second = audit.page(REVIEWER, before=first[-1].place)
    assert (len(first), len(second)) == (50, 11)
    assert (first[0].action, first[0].subject, first[0].reason) == ("frozen", "d1", "first")
    ids = [entry.id for entry in (*first, *second)]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == 61
    assert [e.id for e in audit.all(REVIEWER)] == ids
    assert [e.subject for e in audit.page(REVIEWER, Filters(("dataset",)))] == ["d1"]
    assert audit.page(REVIEWER, Filters(by="local:reviewer")) == []
    assert [e.kind for e in audit.page(REVIEWER, Filters(subject="d1"))] == ["dataset"]


def test_who_was_let_in_is_for_the_owner(desk: Desk, audit: Audit) -> None:
    made = KeyStore(desk.database).create(role="guest", name="x", digest="d", by=OWNER.id)
    KeyStore(desk.database).note(made.id, "revoked", by=OWNER.id)
    assert [(e.action, e.subject) for e in audit.page(OWNER)] == [("key revoked", "k1"), ("key created", "k1")]
    assert audit.page(REVIEWER) == audit.page(REVIEWER, Filters(("access",))) == []
    with pytest.raises(Forbidden):
        audit.page(GUEST)
    with pytest.raises(InvalidInput, match="no kind `nonsense`"):
        audit.page(OWNER, Filters(("nonsense",)))


def test_text_of_somebody_who_took_consent_back_is_not_shown(desk: Desk, audit: Audit) -> None:
    example = desk.corrected("q?", "Lyon", TEXT)
    desk.curation.approve(REVIEWER, example.id)
    desk.consents.choose(GUEST.id, "no", by=GUEST.id)
    (entry,) = audit.page(REVIEWER)
    assert (entry.action, entry.before, entry.after) == ("approved", None, None)


def test_export_is_one_object_a_line(desk: Desk, audit: Audit, tmp_path: Path) -> None:
    desk.curation.approve(REVIEWER, desk.corrected("q?", "Lyon", TEXT).id)
    assert audit.export(REVIEWER, tmp_path / "out.jsonl") == 1
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (row["action"], row["after"]) == ("approved", TEXT)
    with pytest.raises(InvalidInput, match="cannot be written"):
        audit.export(REVIEWER, tmp_path / "no" / "out.jsonl")
