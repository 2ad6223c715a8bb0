"""Going on from a correction: it stands beside the answer it corrects, as a turn of its own, and is what is shown.

The answer stays as the model gave it. The turn has no version and names in its details the answer it `corrects`, so
that nothing takes it for a model's words: it is neither rated nor exported as an answer, and what is asked after it
holds it in the prompt, which is what the model saw.
"""

from flywheel.errors import InvalidInput
from flywheel.reply import stored_outcome
from flywheel.roles import Principal
from flywheel.tasks.build import Task
from flywheel.threads import Thread, Threads
from flywheel.words.catalogue import say
from storage.conversations import Turn


class StandIns:
    """Puts corrections in the place of answers."""

    def __init__(self, threads: Threads, task: Task) -> None:
        self._threads, self._task = threads, task

    def go_on(self, who: Principal, turn_id: str) -> Thread:
        """The conversation with one's latest correction in the place of this answer; asked twice, it is one turn.

        Raises NotFound; InvalidInput where nothing was corrected.
        """
        turn = self._threads.own_turn(who, turn_id, "assistant")
        correction = self._threads.feedback.corrections([turn.id], by=who.id).get(turn.id)
        if correction is None:
            raise InvalidInput(say("error.correction.none"))
        known = self._known(turn, correction.text)
        return self._threads.show(who, known.id if known else self._stored(who, turn, correction.text).id)

    def _known(self, turn: Turn, text: str) -> Turn | None:
        turns = self._threads.conversations.turns(turn.conversation_id)
        found = (other for other in turns if other.details.get("corrects") == turn.id and other.content == text)
        return next(found, None)

    def _stored(self, who: Principal, turn: Turn, text: str) -> Turn:
        outcome = self._task.outcome(text)
        sql = None if outcome is None else stored_outcome(outcome)
        return self._threads.conversations.add_turn(
            conversation_id=turn.conversation_id,
            parent_id=turn.parent_id,
            role="assistant",
            content=text,
            source=turn.source,
            details={"given": True, "corrects": turn.id, "sql": sql},
            by=who.id,
        )
