import pytest

from storage.database import Database
from storage.errors import BadValue, Stale
from storage.publications import PublicationStore


def begin(store: PublicationStore, version: str = "v1") -> str:
    return store.start(version=version, repo="alice/shop", visibility="private", by="local:owner").id


def test_an_attempt_ends_once(db: Database) -> None:
    store = PublicationStore(db)
    id = begin(store)
    assert (store.list()[0].state, store.list()[0].ended) == ("started", None)
    done = store.end(id, "published", commit="abc", tag="v1", by="local:owner")
    assert (done.state, done.commit, done.tag, done.repo, done.by) == (
        "published",
        "abc",
        "v1",
        "alice/shop",
        "local:owner",
    )
    with pytest.raises(Stale, match="ended already"):
        store.end(id, "failed", reason="late", by="local:owner")
    with pytest.raises(BadValue, match="visibility"):
        store.start(version="v1", repo="alice/shop", visibility="secret", by="local:owner")


def test_of_each_version_the_newest_whole_one_counts(db: Database) -> None:
    store = PublicationStore(db)
    store.end(begin(store), "published", commit="one", tag="v1", by="local:owner")
    store.end(begin(store), "published", commit="two", tag="v1", by="local:owner")
    store.end(begin(store), "failed", reason="the Hub was away", by="local:owner")
    begin(store, "v2")
    assert {version: one.commit for version, one in store.published().items()} == {"v1": "two"}
    assert [one.state for one in store.list()] == ["started", "failed", "published", "published"]
