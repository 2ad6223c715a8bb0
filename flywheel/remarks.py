"""Feedback as a program gives it: thumb, reasons, comment and correction in one body, each of them optional.

What is not given stays as it was, and the same body twice leaves one current feedback and one correction. What a thumb
or a correction leads to is the chat's to do.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flywheel.chat import Chat
from flywheel.errors import InvalidInput
from flywheel.roles import Principal
from flywheel.tasks.build import Task
from flywheel.words.catalogue import say
from storage.feedback import Feedback, FeedbackStore

AT_ONCE = 64
"""Answers of which remarks can be kept side by side."""


@dataclass(frozen=True)
class Remark:
    """What stands now: the caller's thumb, and the correction that was given with it."""

    rating: str | None
    correction_id: str | None


class Remarks:
    """Keeps what programs say of their answers."""

    def __init__(self, chat: Chat, feedback: FeedbackStore, task: Task) -> None:
        self._chat, self._feedback, self._task = chat, feedback, task
        # The same body sent side by side looks at what stands before it adds to it, one after the other.
        self._locks = [threading.Lock() for _ in range(AT_ONCE)]

    def keep(self, who: Principal, turn_id: str, given: Mapping[str, Any]) -> Remark:
        """Keep the feedback on an answer of the caller's. Raises NotFound; InvalidInput where nothing is given.

        A null is nothing, but for a `rating` of null alone: it takes back the thumb that there is.
        """
        with self._locks[hash(turn_id) % AT_ONCE]:
            return self._kept(who, turn_id, given)

    def _kept(self, who: Principal, turn_id: str, given: Mapping[str, Any]) -> Remark:
        turn = self._chat.answer(who, turn_id)
        now = self._feedback.ratings([turn.id], by=who.id).get(turn.id)
        said = {name: value for name, value in given.items() if value is not None}
        if not said and not ("rating" in given and now is not None):
            raise InvalidInput(say("error.feedback.nothing"))
        if "correction" in said:
            return self._corrected(who, turn_id, said, now)
        rating = said.get("rating", now.rating if now else None) if said else None
        reasons, comment = _words(said, now, rating)
        if now is None or (now.rating, now.reasons, now.comment) != (rating, reasons, comment):
            self._chat.rate(who, turn_id, rating, reasons, comment)
        return Remark(rating, None)

    def _corrected(self, who: Principal, turn_id: str, said: Mapping[str, Any], now: Feedback | None) -> Remark:
        if said.get("rating") == "up":
            raise InvalidInput(say("error.feedback.correction_of_up"))
        reasons, comment = _words(said, now, "down")
        known = self._feedback.corrections([turn_id], by=who.id).get(turn_id)
        stands = now is not None and (now.rating, now.reasons, now.comment) == ("down", reasons, comment)
        if known is not None and stands and known.text == self._task.completion(said["correction"]):
            return Remark("down", known.id)
        correction, _ = self._chat.correct(who, turn_id, said["correction"], reasons, comment)
        return Remark("down", correction.id)


def _words(said: Mapping[str, Any], now: Feedback | None, rating: str | None) -> tuple[list[str], str]:
    """Reasons and comment: those given, else those of the same thumb; another thumb has none of the old ones."""
    same = now is not None and now.rating == rating
    reasons = said.get("reasons", now.reasons if now and same else [])
    return list(reasons), said.get("comment", now.comment if now and same else "")
