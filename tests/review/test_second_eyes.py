"""Second eyes: what goes to two, what their agreement decides, and that a lone owner is never held up."""

from collections.abc import Callable

import pytest

from flywheel.errors import Conflict
from flywheel.pins import Pins
from flywheel.queue_entries import Filters
from flywheel.second_eyes import kappa
from storage.examples import Example
from storage.ids import new_id
from storage.pins import PinStore
from tests.support.desk import OWNER
from tests.support.reviewing import ANN, BOB, CAY, Review


@pytest.fixture
def both(review: Review) -> Callable[..., Review]:
    """The inbox where every item goes to two of those who are here."""

    def made(*here: object, share: float = 1.0) -> Review:
        made = Review.at(review.desk, share)
        for who in here:
            made.inbox.page(who)  # type: ignore[arg-type]
        return made

    return made


def state(review: Review, example: Example) -> str:
    found = review.desk.examples.get(example.id)
    assert found
    return found.state


def test_lone_owner_is_never_held_up(both: Callable[..., Review]) -> None:
    review = both(OWNER)
    mine = review.chatted("q", "a", by=OWNER)
    assert review.ids(OWNER) == [mine.id]
    assert review.curation.approve(OWNER, mine.id).state == "approved"


def test_two_who_agree_decide(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    example = review.chatted("q", "a")
    assert review.curation.approve(ANN, example.id).state == "pending"
    assert review.ids(ANN) == [] and review.ids(BOB) == [example.id]
    with pytest.raises(Conflict, match="judged this item already"):
        review.curation.approve(ANN, example.id)
    assert review.inbox.open(BOB, example.id).votes == (), "the second judges without the first one's word"
    assert review.curation.approve(BOB, example.id).state == "approved"
    agreement = review.inbox.numbers(ANN).agreement
    assert (agreement.pairs, agreement.agreed, agreement.kappa) == (1, 1, None)


def test_dispute_is_settled_by_a_third(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB, CAY)
    example = review.chatted("q", "a")
    review.curation.approve(ANN, example.id)
    assert review.curation.reject(BOB, example.id, "made up").state == "pending"
    assert review.ids(ANN) == review.ids(BOB) == [] and review.ids(CAY) == [example.id]
    votes = review.inbox.open(CAY, example.id).votes
    assert [(vote.by, vote.decision, vote.reason) for vote in votes] == [
        (ANN.id, "approved", None), (BOB.id, "rejected", "made up"),
    ]  # fmt: skip
    assert review.curation.reject(CAY, example.id, "indeed").state == "rejected"


def test_owner_settles_where_there_is_no_third(both: Callable[..., Review]) -> None:
    review = both(OWNER, BOB)
    example = review.chatted("q", "a")
    review.curation.approve(OWNER, example.id)
    review.curation.reject(BOB, example.id, "no")
    assert review.ids(BOB) == [] and review.ids(OWNER) == [example.id]
    assert review.curation.approve(OWNER, example.id).state == "approved"


def test_two_different_texts_are_a_dispute(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    example = review.chatted("q", "a")
    review.curation.approve(ANN, example.id, completion="one")
    assert review.curation.approve(BOB, example.id, completion="two").state == "pending"
    assert review.curation.approve(OWNER, example.id, completion="two").completion == "two"


def test_nobody_approves_their_own_correction(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    example = review.chatted("q", "a", by=ANN)
    assert review.ids(ANN) == [] and review.ids(BOB) == [example.id]
    with pytest.raises(Conflict, match="your own correction"):
        review.curation.approve(ANN, example.id)
    assert review.curation.approve_many(ANN, [example.id])[0] == []


def test_vote_can_be_taken_back(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    example = review.chatted("q", "a")
    review.curation.approve(ANN, example.id)
    review.curation.reopen(ANN, example.id)
    assert review.ids(ANN) == [example.id]
    assert review.curation.reject(BOB, example.id, "no").state == "pending"


def test_pin_set_with_the_first_vote_counts_from_the_approval(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    example, other = review.chatted("q", "a"), review.chatted("another", "b")
    pins = Pins(PinStore(review.desk.database), review.desk.examples)
    _, refused = review.curation.approve_many(ANN, [example.id])
    assert review.inbox.approved_once(ANN, [*(id for id, _ in refused), other.id, "nonsense"]) == [example.id]
    assert review.inbox.approved_once(BOB, [example.id]) == []
    pins.add(ANN, [example.id])
    assert pins.in_force() == []
    review.curation.approve(BOB, example.id)
    assert [one.id for one in pins.in_force()] == [example.id]


def test_share_and_flags_choose_what_goes_to_two(review: Review) -> None:
    desk = review.desk
    ids = [new_id() for _ in range(300)]
    eyes = Review.at(desk, 0.1, lambda: {ids[0]}).eyes
    drawn = sum(eyes.wanted(id) for id in ids)
    assert eyes.wanted(ids[0]) and 10 <= drawn <= 60
    assert not any(Review.at(desk, 0.0, lambda: {ids[0]}).eyes.wanted(id) for id in ids)


def test_others_of_an_earlier_start_are_remembered(both: Callable[..., Review]) -> None:
    review = both(ANN, share=1e-9)
    for who in (ANN, BOB):
        review.curation.approve(who, review.chatted(f"q {who.id}", "a").id)
    assert both().eyes.others(ANN) == {BOB.id}


def test_waiting_counts_leave_out_what_one_may_not_judge(both: Callable[..., Review]) -> None:
    review = both(ANN, BOB)
    review.curation.approve(ANN, review.chatted("q", "a").id)
    assert review.inbox.numbers(ANN).waiting == 0 and review.inbox.numbers(BOB).waiting == 1
    assert review.inbox.page(BOB, Filters()).entries[0].standing == "second"


def test_kappa_is_cohens() -> None:
    pairs = [("approved", "approved")] * 20 + [("rejected", "rejected")] * 15
    pairs += [("approved", "rejected")] * 5 + [("rejected", "approved")] * 10
    found = kappa(pairs)
    assert (found.pairs, found.agreed) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert kappa([]).kappa is None
