"""The reasons of a thumb, as reviewers read and choose them: in the words that the guest ticked."""

from flywheel.ui.review_parts import origin
from flywheel.ui.review_queue import QueueColumn, reason_words
from tests.support.reviewing import ANN, Review


def test_reviewers_read_the_reasons_in_words(review: Review) -> None:
    example = review.chatted("which wheel fits a tandem", "None.")
    shown = origin(review.inbox.open(ANN, example.id))
    assert "Not true" in shown and "wrong_fact" not in shown


def test_the_filter_offers_the_reasons_in_words(review: Review) -> None:
    review.chatted("which wheel fits a tandem", "None.")
    offered = QueueColumn(review.inbox).offers(ANN)[0]
    assert [tuple(choice) for choice in offered.choices][1:] == [("Not true (1)", "wrong_fact")]


def test_a_reason_of_a_later_release_stays_its_key() -> None:
    assert (reason_words("too_long"), reason_words("not_known_yet")) == ("Too long", "not_known_yet")
