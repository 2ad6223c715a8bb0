"""The inbox: what is listed, in which order, to whom, and who holds what."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flywheel import inbox
from flywheel.errors import Conflict, Forbidden, InvalidInput, NotFound
from flywheel.exports import export_lines
from flywheel.imports import import_bytes
from flywheel.queue_entries import Filters
from flywheel.roles import Principal, Role
from flywheel.tasks.chat import ChatTask
from storage.examples import NewExample
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk, asked
from tests.support.reviewing import ANN, BOB, Review


def test_value_order_puts_what_teaches_most_first(review: Review) -> None:
    known = review.chatted("how many bikes were sold in May", "Nine.")
    review.curation.approve(ANN, known.id)
    sure = review.chatted("how many bikes were sold in June", "Ten.", logprob=-0.01).id
    unsure = review.chatted("how many bikes were sold in July", "Ten.", logprob=-1.0).id
    thumb = review.chatted("what is a derailleur", logprob=-2.0).id
    twice = review.chatted("which wheel fits a tandem", logprob=-0.01, others=1).id
    again = review.chatted("how many bikes were sold in May then", logprob=-0.01).id
    new = review.chatted("name the tallest mountain", logprob=-0.01).id
    assert review.ids() == [unsure, sure, thumb, twice, new, again]
    assert review.ids(order="newest")[0] == new and review.ids(order="oldest")[0] == sure


def test_approving_makes_those_like_it_less_new(review: Review) -> None:
    first, like, other = (review.chatted(q).id for q in ("colour of the sky", "colour of the sky now", "price of tea"))
    assert review.ids()[-1] != like
    review.curation.approve(ANN, first, completion="Blue.")
    assert review.ids() == [other, like]
    review.curation.reopen(ANN, first)
    assert set(review.ids()[:2]) != {other}


@pytest.mark.parametrize("order", ["value", "newest", "oldest"])
def test_pages_hold_every_row_once(review: Review, order: str) -> None:
    draw = random.Random(7)
    for number in range(13):
        review.chatted(f"question {number % 5}", "x" if number % 3 else None, logprob=-draw.random())
    seen: list[str] = []
    after = None
    while True:
        page = review.inbox.page(ANN, order=order, after=after, limit=5)
        assert page.total == 13
        seen += [row.id for row in page.entries]
        if (after := page.after) is None:
            break
    assert len(seen) == len(set(seen)) == 13


def test_filters_and_search_find_what_they_say(review: Review) -> None:
    corrected = review.chatted("Wie viele RÄDER?", "Zehn.").id
    thumb = review.chatted("how many wheels").id
    [imported], _ = review.desk.examples.add_many([NewExample(asked("imported wheels?"), "Two.")], by=BOB.id)
    review.inbox.tag(ANN, [thumb], "Hard  One")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    for filters, wanted in (
        (Filters(provenance="correction"), {corrected}),
        (Filters(rating="down"), {corrected, thumb}),
        (Filters(rating="none"), {imported}),
        (Filters(version="v0"), {corrected, thumb}),
        (Filters(reason="wrong_fact", provenance="thumb"), {thumb}),
        (Filters(tag="hard one"), {thumb}),
        (Filters(text="räder"), {corrected}),
        (Filters(text="wheels"), {thumb, imported}),
        (Filters(text="zehn"), {corrected}),
        (Filters(since=tomorrow), set()),
        (Filters(until=tomorrow), {corrected, thumb, imported}),
        (Filters(mine=BOB.id), {imported}),
        (Filters(state="approved"), set()),
    ):
        assert set(review.ids(filters=filters)) == wanted, filters
    review.curation.approve(ANN, corrected)
    assert review.ids(filters=Filters(state="approved", mine=ANN.id)) == [corrected]


def test_what_changes_elsewhere_is_seen_at_once(review: Review) -> None:
    example = review.chatted("how many?", "Two.")
    assert review.ids(filters=Filters(rating="down")) == [example.id]
    assert example.turn_id
    review.desk.feedback.rate(example.turn_id, "up", by=GUEST.id)
    assert review.ids(filters=Filters(rating="up")) == [example.id]
    review.desk.consents.choose(GUEST.id, "no", by=GUEST.id)
    assert review.ids() == []
    review.desk.consents.choose(GUEST.id, "yes", by=GUEST.id)
    assert review.ids() == [example.id]


def test_wrong_filters_are_refused_in_words(review: Review) -> None:
    with pytest.raises(InvalidInput, match="no order `best`"):
        review.inbox.page(ANN, order="best")
    with pytest.raises(InvalidInput, match="no state `open`"):
        review.inbox.page(ANN, Filters(state="open"))
    with pytest.raises(InvalidInput, match="201 characters"):
        review.inbox.page(ANN, Filters(text="x" * 201))
    with pytest.raises(InvalidInput, match="no place in this order"):
        review.inbox.page(ANN, after="nonsense")


def test_guests_reach_nothing_of_the_inbox(review: Review) -> None:
    id = review.chatted("q", "a").id
    inbox = review.inbox
    for call in (
        lambda: inbox.page(GUEST), lambda: inbox.open(GUEST, id), lambda: inbox.facets(GUEST),
        lambda: inbox.tag(GUEST, [id], "x"), lambda: inbox.set_tags(GUEST, id, ["x"]),
        lambda: inbox.tag_counts(GUEST), lambda: inbox.numbers(GUEST), lambda: inbox.learned(GUEST),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            call()
    assert review.desk.examples.counts()["pending"] == 1


def test_opened_item_is_held_until_ten_idle_minutes(review: Review) -> None:
    id = review.chatted("q", "a").id
    assert review.inbox.open(ANN, id).held_by is None
    assert review.ids(BOB) == [] and review.ids(ANN) == [id]
    assert review.inbox.open(BOB, id).held_by == ANN.id
    with pytest.raises(Conflict, match="`local:reviewer:ann` is looking at this example now"):
        review.curation.approve(BOB, id)
    review.now[0] += 599
    assert review.ids(BOB) == []
    review.now[0] += 2
    assert review.inbox.open(BOB, id).held_by is None
    review.curation.approve(BOB, id)
    assert review.desk.examples.counts()["approved"] == 1


def test_who_goes_on_gives_the_item_up(review: Review) -> None:
    one, two = review.chatted("q", "a").id, review.chatted("r", "b").id
    review.inbox.open(ANN, one)
    review.inbox.open(ANN, two)
    assert review.ids(BOB) == [one]


def test_skipped_item_waits_for_the_others_and_comes_back_after_a_day(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = review.chatted("q", "a"), review.chatted("r", "b")
    review.inbox.open(ANN, one.id)
    review.now[0] += 4
    assert review.curation.skip(ANN, one.id, expected_event=one.event_id).state == "pending"
    assert review.ids(ANN) == [two.id] and set(review.ids(BOB)) == {one.id, two.id}
    assert review.ids(ANN, filters=Filters(state="skipped")) == [one.id]
    assert review.ids(BOB, filters=Filters(state="skipped")) == []
    assert review.inbox.numbers(ANN).today == 1 and review.inbox.numbers(ANN).median_seconds == 4
    # Undone it is there again; skipped anew, after a day.
    review.curation.reopen(ANN, one.id)
    assert set(review.ids(ANN)) == {one.id, two.id}
    review.curation.skip(ANN, one.id)
    monkeypatch.setattr(inbox, "PUT_OFF", timedelta(0))
    assert set(review.ids(ANN)) == {one.id, two.id}
    # Another's decision is no conflict with having put it off.
    assert review.curation.approve(BOB, one.id, expected_event=one.event_id).state == "approved"


def test_eight_reviewers_decide_nothing_twice(review: Review) -> None:
    ids = {review.chatted(f"question number {n}", "a").id for n in range(24)}

    def work(number: int) -> list[str]:
        who, done = Principal(f"local:reviewer:r{number}", Role.REVIEWER), []
        while entries := review.inbox.page(who, limit=3).entries:
            for row in entries:
                item = review.inbox.open(who, row.id)
                if item.held_by is None and item.example.state == "pending":
                    try:
                        review.curation.approve(who, row.id, expected_event=item.example.event_id)
                        done.append(row.id)
                    except Conflict:
                        # Decided between the look and the decision: refused, and no double.
                        continue
        return done

    with ThreadPoolExecutor(8) as pool:
        done = [id for ids in pool.map(work, range(8)) for id in ids]
    assert len(done) == len(set(done)) == 24 and set(done) == ids
    decisions = review.desk.database.rows("SELECT example_id FROM example_events WHERE kind = 'approved'")
    assert len(decisions) == 24


def test_nobody_is_asked_again_what_they_decided(review: Review) -> None:
    id = review.chatted("q", "a").id
    review.curation.reject(ANN, id, "no")
    review.curation.reopen(BOB, id)
    assert review.ids(ANN) == [] and review.ids(BOB) == [id]
    review.curation.reject(BOB, id, "no")
    review.curation.reopen(BOB, id)
    assert review.ids(BOB) == [id], "who put it back themselves is shown it"


def test_tags_are_counted_cleaned_and_taken_off(review: Review) -> None:
    one, two = review.chatted("q", "a").id, review.chatted("r", "b").id
    assert review.inbox.tag(ANN, [one, two], " Billing ") == 2
    assert review.inbox.tag(ANN, [one], "billing") == 0
    assert review.inbox.set_tags(ANN, one, ["dates", "Billing", " "]) == ["billing", "dates"]
    assert review.inbox.tag_counts(ANN) == {"billing": 2, "dates": 1}
    assert review.inbox.open(ANN, one).tags == ("billing", "dates")
    assert review.inbox.tag(BOB, [two], "billing", on=False) == 1
    assert review.inbox.facets(ANN).tags == {"billing": 1, "dates": 1}
    with pytest.raises(InvalidInput, match="can be no tag"):
        review.inbox.tag(ANN, [one], "<b>")
    with pytest.raises(NotFound):
        review.inbox.tag(ANN, ["nothing"], "x")


def test_similar_items_are_shown_with_their_state(review: Review) -> None:
    near = review.chatted("how many red bikes were sold in May", "a").id
    review.chatted("what is the capital of France", "b")
    review.curation.approve(ANN, near)
    item = review.inbox.open(ANN, review.chatted("how many red bikes were sold in June", "c").id)
    assert [(id, state) for id, _, state, _ in item.similar] == [(near, "approved")]


def test_numbers_say_what_a_reviewer_did(review: Review) -> None:
    ids = [review.chatted(f"question {n}", "a").id for n in range(4)]
    for id, seconds in zip(ids[:3], (4, 8, 30), strict=True):
        review.inbox.open(REVIEWER, id)
        review.now[0] += seconds
        if id == ids[0]:
            review.curation.reject(REVIEWER, id, "no")
        else:
            review.curation.approve(REVIEWER, id)
    numbers = review.inbox.numbers(REVIEWER)
    assert (numbers.waiting, numbers.today, numbers.median_seconds) == (1, 3, 8)
    assert numbers.approved == pytest.approx(2 / 3)
    assert review.inbox.numbers(BOB).today == 0


def test_tags_go_through_freeze_and_export_and_come_back(review: Review, tmp_path: Path) -> None:
    desk = review.desk
    ids = desk.approved([(f"how many {word} are there", "Many.") for word in ("bikes", "shops", "clients")])
    review.inbox.tag(ANN, ids[:1], "stock")
    review.inbox.tag(ANN, ids[:1], "counts")
    frozen = desk.datasets.freeze(OWNER).version.id
    review.inbox.tag(ANN, ids[:1], "counts", on=False)
    counts = desk.datasets.tag_counts(OWNER, frozen)
    for tag, count in review.inbox.tag_counts(OWNER, "approved").items():
        rows = desk.datasets.rows(OWNER, frozen, tag=tag)
        assert counts[tag] == len(rows) == count and all(tag in row.tags for row in rows)
        assert {one.id for one in review.inbox.tagged(OWNER, "approved", tag)} == {row.example_id for row in rows}
    assert review.inbox.tagged(OWNER, "pending", "stock") == desk.datasets.rows(OWNER, frozen, tag="absent") == []
    assert {row.example_id: row.tags for row in desk.datasets.rows(OWNER, frozen) if row.tags} == {
        ids[0]: ("counts", "stock")
    }
    for format in ("openai", "prompt-completion", "sharegpt", "alpaca"):
        [text] = export_texts(desk, "dataset", format)
        assert text.count('"tags": ["counts", "stock"]') == 1
    assert '"tags": ["stock"]' in export_texts(desk, "examples", "openai")[0]
    assert "tags" not in export_texts(desk, "examples", "csv")[0]
    other = Desk.open(tmp_path / "other", ChatTask())
    content = export_texts(desk, "dataset", "openai")[0]
    import_bytes(other.importer, OWNER, "rows.jsonl", content.encode(), approved=True)
    assert export_texts(other, "examples", "openai")[0] == content
    assert Review.at(other).inbox.tag_counts(ANN) == {"counts": 1, "stock": 1}
    other.database.close()


def export_texts(desk: Desk, what: str, format: str) -> list[str]:
    return ["".join(sorted("".join(export_lines(desk.exporter, OWNER, what=what, format=format)).splitlines(True)))]
