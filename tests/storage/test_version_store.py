from typing import Any

import pytest

from storage.database import Database
from storage.errors import BadValue, Missing, Stale
from storage.versions import Promotion, Score, Version, VersionStore


@pytest.fixture
def store(db: Database) -> VersionStore:
    return VersionStore(db)


def make(store: VersionStore, **other: Any) -> Version:
    fields: dict[str, Any] = {"run": 1, "dataset": "d1", "base": "starter", "revision": None, "base_form": "full"}
    return store.create(**(fields | {"adapter_sha256": "ab", "by": "system"} | other))


def promote(store: VersionStore, version: str, kind: str = "promote", override: str | None = None) -> Promotion:
    return store.promote(version, kind=kind, override=override, verdict={"state": "passed"}, by="owner")


def score(version: str, suite: str, value: float) -> Score:
    return Score(version, suite, 4, value, 0.1, 0.9, {"correct": [0, 1, 1, 1], "dataset": "d1"})


def test_before_any_promotion_the_base_is_served(store: VersionStore) -> None:
    base = store.get("v0")
    assert store.served() == "v0" and base is not None
    assert (base.number, base.state, base.created) == (0, "served", None)
    assert store.list() == []


def test_a_version_comes_back_as_made(store: VersionStore) -> None:
    made = make(store, revision="abc", base_form="nf4-dequantised")
    assert (made.id, made.state) == ("v1", "candidate")
    assert store.get("v1") == made == store.list()[0]
    with pytest.raises(BadValue, match="`base form` cannot be `int8`"):
        make(store, base_form="int8")


def test_promotion_changes_the_states(store: VersionStore) -> None:
    make(store), make(store)
    promote(store, "v1")
    promote(store, "v2", override="the owner's reason")
    assert store.served() == "v2"
    assert [version.state for version in store.list()] == ["served", "retired"]
    base = store.get("v0")
    assert base is not None and base.state == "retired"


def test_rolling_back_serves_the_base_again(store: VersionStore) -> None:
    make(store)
    promote(store, "v1")
    back = promote(store, "v0", kind="rollback")
    assert (back.previous, store.served()) == ("v1", "v0")
    assert [(step.version, step.kind) for step in store.history()] == [("v0", "rollback"), ("v1", "promote")]
    assert [version.state for version in store.list()] == ["retired"]


def test_an_override_keeps_its_reason(store: VersionStore) -> None:
    make(store)
    made = promote(store, "v1", override="a customer waits for it")
    assert store.history() == [made]
    assert (made.override, made.verdict, made.by) == ("a customer waits for it", {"state": "passed"}, "owner")


def test_what_is_served_is_not_promoted_again(store: VersionStore) -> None:
    with pytest.raises(Stale, match="`v0` is served already"):
        promote(store, "v0")
    with pytest.raises(Missing, match="no version `v7`"):
        promote(store, "v7")
    assert store.history() == []


def test_the_latest_score_of_a_suite_counts(store: VersionStore) -> None:
    store.add_scores([score("v0", "general", 0.5), score("v10", "general", 0.7), score("v2", "general", 0.6)], by="s")
    store.add_scores([score("v2", "general", 0.75), score("v2", "corrected", 1.0)], by="s")
    found = store.all_scores()
    assert [(one.version, one.suite, one.value) for one in found] == [
        ("v0", "general", 0.5), ("v2", "corrected", 1.0), ("v2", "general", 0.75), ("v10", "general", 0.7)
    ]  # fmt: skip
    assert store.scores("v2") == found[1:3]
    assert found[0].details == {"correct": [0, 1, 1, 1], "dataset": "d1"} and found[0].created is not None


def test_a_score_that_is_no_number_is_refused(store: VersionStore) -> None:
    with pytest.raises(BadValue, match=r"`scores\.value` cannot hold nan"):
        store.add_scores([score("v1", "general", float("nan"))], by="s")


def test_a_number_taken_meanwhile_is_told(store: VersionStore) -> None:
    assert store.next_number() == 1
    make(store, number=1)
    with pytest.raises(Stale, match="the next is 2, not 1"):
        make(store, number=1)
