"""Two answers side by side for a share of the questions, and the choice between them.

Who answers on which side is left to chance, and no name is shown. A choice is kept, and it proposes an example as a
correction does: in the place of the answer that was left, the one that was taken. Which two are compared is a
function's matter: two samples of the version that serves, or any two versions. Knows no page.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from flywheel.abreast import Side
from flywheel.chat import Chat, Thread
from flywheel.errors import InvalidInput
from flywheel.history import prompt_of
from flywheel.questions import AGAIN_TEMPERATURE, AGAIN_TOP_P
from flywheel.reply import Update
from flywheel.roles import Principal
from flywheel.serving.engine import Sampling
from flywheel.tasks.build import Task
from flywheel.threads import pair_of
from flywheel.words.catalogue import say
from storage.comparisons import ComparisonStore
from storage.conversations import ConversationStore, Turn
from storage.database import Database
from storage.examples import Example, ExampleStore
from storage.transaction import Transaction

VERDICTS = ("better", "bad", "same")
"""About an answer and the one beside it: it is the better one, both are bad, it makes no difference."""


class Comparing:
    """Asks twice where chance says so, and keeps what people choose."""

    def __init__(
        self,
        database: Database,
        chat: Chat,
        conversations: ConversationStore,
        examples: ExampleStore,
        task: Task,
        sides: Callable[[], tuple[Side, Side]],
        share: float,
        chance: random.Random | None = None,
    ) -> None:
        """`sides` names the two that answer; `share` of the questions, 0 to 1, are asked twice."""
        self._database, self._chat, self._task = database, chat, task
        self._conversations, self._examples = conversations, examples
        self._comparisons = ComparisonStore(database)
        self._chance = chance or random.SystemRandom()
        self.sides, self.share = sides, share

    def reply(self, who: Principal, place: str | None, text: str, *, leave_out: bool = False) -> Iterator[Update]:
        """As `Chat.reply` from the page; for a share of the questions two answers, of which one may be chosen."""
        if self._chance.random() >= self.share:
            yield from self._chat.reply(who, place, text, leave_out=leave_out)
            return
        left, right = self._chance.sample(self.sides(), 2)
        replies = self._chat.reply(
            who, place, text, version=left.version, sampling=left.sampling, beside=right, leave_out=leave_out
        )
        yield from self._followed(who, replies)

    def edit(self, who: Principal, turn_id: str, text: str) -> Iterator[Update]:
        """As `Chat.edit`: a changed question is a question like any other, and gets two answers as often."""
        if self._chance.random() >= self.share:
            yield from self._chat.edit(who, turn_id, text)
            return
        left, right = self._chance.sample(self.sides(), 2)
        yield from self._followed(who, self._chat.edit(who, turn_id, text, left, right))

    def _followed(self, who: Principal, replies: Iterator[Update]) -> Iterator[Update]:
        update = None
        for update in replies:
            yield update
        turn = update.turn if update else None
        if turn is not None and turn.details.get("at") and update and update.other:
            # Only the right one is whole: what is asked next follows that.
            self._conversations.note(turn.conversation_id, "shown", turn_id=turn.id, by=who.id)

    def choose(self, who: Principal, turn_id: str, verdict: str = "better") -> Thread:
        """Keep the choice, once; the conversation goes on from the answer chosen, else from the left one.

        Raises NotFound for a turn that is not one's own, InvalidInput where nothing stands beside it, Stale for a
        second choice.
        """
        if verdict not in VERDICTS:
            raise InvalidInput(say("error.compare.no_choice", verdict=str(verdict)[:40], known=", ".join(VERDICTS)))
        turn = self._chat.answer(who, turn_id)
        beside = self._conversations.turn(str(turn.details.get("beside")))
        pair = pair_of(turn, {beside.id: beside}) if beside else None
        if pair is None:
            raise InvalidInput(say("error.compare.no_pair"))
        taken = turn if verdict == "better" else pair[0]
        left = pair[1] if taken is pair[0] else pair[0]
        told = ("left" if taken is pair[0] else "right") if verdict == "better" else verdict
        propose = self._proposal(who, taken, left) if verdict == "better" else None

        def job(tx: Transaction) -> None:
            place = turn.conversation_id
            self._comparisons.add(place, pair[0].id, pair[1].id, told, by=who.id, tx=tx)
            self._conversations.note(place, "shown", turn_id=taken.id, by=who.id, tx=tx)
            if propose is not None:
                propose(tx=tx)

        self._database.write(job, by=who.id)
        return self._chat.thread(who, taken.id)

    def _proposal(self, who: Principal, taken: Turn, left: Turn) -> Callable[..., Example] | None:
        """None where the one that was taken says nothing."""
        wanted = self._task.completion(taken.content)
        if not wanted:
            return None
        return partial(
            self._examples.propose,
            provenance="preference",
            turn_id=left.id,
            conversation_id=left.conversation_id,
            prompt=prompt_of(self._conversations.path_to(left.id), single_turn=self._task.single_turn),
            completion=wanted,
            answer=left.content,
            version=left.version,
            by=who.id,
        )


def two_samples(served: Callable[[], str], usual: Callable[[], Sampling]) -> Callable[[], tuple[Side, Side]]:
    """The version that serves twice: as it usually answers, and drawn."""

    def sides() -> tuple[Side, Side]:
        version, sampling = served(), usual()
        drawn = sampling
        if sampling.temperature == 0:
            drawn = replace(sampling, temperature=AGAIN_TEMPERATURE, top_p=AGAIN_TOP_P)
        return Side(version, sampling), Side(version, drawn)

    return sides
