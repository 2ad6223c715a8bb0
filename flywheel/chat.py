"""The chat: conversations of their owners, questions and their answers, thumbs and corrections.

Everything a person sends is checked here, whatever page, route or command it came by. A question is stored before the
model runs, an answer exactly once. Knows no page and no model library.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.history import Message, prompt_of
from flywheel.questions import Question, Questions
from flywheel.reply import Update
from flywheel.roles import Principal, Role, require
from flywheel.serving.engine import Engine, Sampling
from flywheel.settings import Settings
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlOutcome
from flywheel.texts import check_text
from storage.conversations import Conversation, ConversationStore, Turn
from storage.database import Database
from storage.examples import Example, ExampleStore
from storage.feedback import RATINGS, Correction, Feedback, FeedbackStore
from storage.transaction import Transaction

MOST_MESSAGE, MOST_CORRECTION, MOST_COMMENT, MOST_USER = 8_000, 20_000, 2_000, 256
"""Characters."""
UNDECIDED = ("pending", "skipped")
ID = re.compile(r"[0-9a-z]{26}")


@dataclass(frozen=True)
class ThreadItem:
    """One turn with what its reader made of it."""

    turn: Turn
    rating: Feedback | None
    correction: Correction | None
    example_state: str | None
    """pending, approved, rejected, …: where the example that came of it stands."""


@dataclass(frozen=True)
class Thread:
    """A conversation from its first question to its last answer; no id before the first question."""

    conversation_id: str | None
    items: list[ThreadItem]


class Chat:
    """What guests do; each sees their own conversations alone."""

    def __init__(
        self,
        database: Database,
        conversations: ConversationStore,
        feedback: FeedbackStore,
        examples: ExampleStore,
        engine: Engine,
        task: Task,
        served: Callable[[], str],
        settings: Settings,
    ) -> None:
        """`served` names the version that answers when none is asked for."""
        self._database, self._settings = database, settings
        self._conversations, self._feedback, self._examples = conversations, feedback, examples
        self._task, self._served = task, served
        self._questions = Questions(database, conversations, engine, task)

    def thread(self, who: Principal, conversation_id: str | None) -> Thread:
        """One's own conversation, by default the latest. NotFound for a foreign id as for an unknown one."""
        require(who, Role.GUEST)
        if conversation_id is None:
            latest = self._conversations.latest_of(who.id)
            if latest is None:
                return Thread(None, [])
            conversation_id = latest.id
        conversation = self._own(who, conversation_id)
        turns = self._questions.path(conversation.id)
        ids = [turn.id for turn in turns]
        ratings = self._feedback.ratings(ids, by=who.id)
        corrections = self._feedback.corrections(ids, by=who.id)
        examples = self._examples.for_turns(ids)
        states = {turn_id: example.state for turn_id, example in examples.items()}
        items = [ThreadItem(t, ratings.get(t.id), corrections.get(t.id), states.get(t.id)) for t in turns]
        return Thread(conversation.id, items)

    def reply(
        self,
        who: Principal,
        conversation_id: str | None,
        text: str,
        *,
        version: str | None = None,
        sampling: Sampling | None = None,
        source: str = "page",
    ) -> Iterator[Update]:
        """Ask, and follow the answer; None begins a conversation. Closing the iterator cancels the answer.

        Nothing is stored when the question is refused: InvalidInput, NotFound, Forbidden, or Unavailable while the
        model loads. What goes wrong after that is the last update's notice.
        """
        require(who, Role.GUEST)
        if who.role is Role.GUEST and not self._settings.guest_chat:
            raise Forbidden(
                "Guests may not chat here. Ask the owner for a link, or to set FLYWHEEL_GUEST_CHAT to `on`."
            )
        check_text(text, "message", MOST_MESSAGE)
        if conversation_id is not None:
            self._own(who, conversation_id)
        sampling = sampling or Sampling(max_new_tokens=self._task.answer_tokens, deadline_s=self._task.answer_seconds)
        yield from self._questions.ask(
            Question(who, conversation_id, text, version or self._served(), sampling, source)
        )

    def complete(
        self,
        who: Principal,
        told: Sequence[Message],
        text: str,
        *,
        after: str | None = None,
        version: str | None = None,
        sampling: Sampling | None = None,
        system: str | None = None,
        user: str = "",
    ) -> Iterator[Update]:
        """As `reply`, for a program, which tells the whole conversation: `told` is questions and answers by turns.

        They are stored as given. `after` is an answer of the caller's that is followed instead. Only an owner may set
        another `system` message. `user` is whom the program asks for, by its own name for them. Whoever issued the
        program's key let it in, so closing the page to guests does not concern it.
        """
        require(who, Role.GUEST if system is None else Role.OWNER)
        check_text(text, "message", MOST_MESSAGE)
        for said in told:
            check_text(said["content"], "earlier message", MOST_CORRECTION)
        check_text(user, "`user`", MOST_USER, empty=True)
        if system is not None:
            check_text(system, "system message", MOST_CORRECTION)
        conversation = None if after is None else self.answer(who, after).conversation_id
        yield from self._questions.ask(
            Question(
                who, conversation, text, version or self._served(), sampling or Sampling(), "rest",
                after=after, told=tuple(told), system=system, user=user,
            )
        )  # fmt: skip

    @property
    def open(self) -> int:
        """Answers under way now, everybody's."""
        return self._questions.open

    def stop(self, who: Principal, turn_id: str) -> bool:
        """End one's own answer under way; it is stored as stopped. False when it has ended already."""
        require(who, Role.GUEST)
        return self._questions.stop(who, turn_id)

    def rate(
        self, who: Principal, turn_id: str, rating: str | None, reasons: Sequence[str] = (), comment: str = ""
    ) -> Feedback:
        """A thumb on an answer of one's own conversation; None takes it back. The latest counts.

        A thumb down makes a pending example until it is taken back.
        """
        turn = self.answer(who, turn_id)
        if rating is not None and rating not in RATINGS:
            raise InvalidInput(f"`rating` is `{rating}`. Give `up`, `down` or null.")
        self._check_feedback(reasons, comment)
        follow = self._thumb_example(who, turn, rating, reasons, comment)

        def job(tx: Transaction) -> Feedback:
            stored = self._feedback.rate(turn.id, rating, reasons, comment, by=who.id, tx=tx)
            follow(tx=tx)
            return stored

        return self._database.write(job, by=who.id)

    def correct(
        self, who: Principal, turn_id: str, text: str, reasons: Sequence[str] = (), comment: str = ""
    ) -> tuple[Correction, Example]:
        """What the answer should have been: a thumb down, the correction and a pending example, all or none."""
        turn = self.answer(who, turn_id)
        check_text(text, "correction", MOST_CORRECTION)
        self._check_feedback(reasons, comment)
        wanted = self._task.completion(text)
        if not wanted:
            raise InvalidInput("Your correction is empty. Write what the answer should have been, then send it again.")
        if wanted == self._task.completion(turn.content):
            raise InvalidInput("Your correction is the answer itself. Change it to what it should have been.")

        propose = self._proposal(who, turn, "correction", wanted, reasons, comment)

        def job(tx: Transaction) -> tuple[Correction, Example]:
            self._feedback.rate(turn.id, "down", reasons, comment, by=who.id, tx=tx)
            correction = self._feedback.correct(turn.id, wanted, by=who.id, tx=tx)
            return correction, propose(tx=tx)

        return self._database.write(job, by=who.id)

    def try_sql(self, who: Principal, turn_id: str, statement: str) -> SqlOutcome:
        """Run the statement a person would put in place of an answer's, as the answer's own was run."""
        self.answer(who, turn_id)
        outcome = self._task.outcome(check_text(statement, "statement", MOST_CORRECTION))
        if outcome is None:
            raise InvalidInput(f"The task `{self._task.name}` runs no SQL. Set FLYWHEEL_TASK to `sql` for that.")
        return outcome

    def answer(self, who: Principal, turn_id: str) -> Turn:
        """One's own answer. NotFound for a foreign id as for an unknown one."""
        require(who, Role.GUEST)
        turn = self._conversations.turn(turn_id) if _is_id(turn_id) else None
        conversation = self._conversations.conversation(turn.conversation_id) if turn else None
        if turn is None or turn.role != "assistant" or conversation is None or conversation.owner != who.id:
            raise NotFound("There is no such answer in a conversation of yours. Reload the page.")
        return turn

    def _own(self, who: Principal, conversation_id: str) -> Conversation:
        found = self._conversations.conversation(conversation_id) if _is_id(conversation_id) else None
        if found is None or found.owner != who.id:
            raise NotFound("There is no such conversation of yours. Start a new one, or reload the page.")
        return found

    def _check_feedback(self, reasons: Sequence[str], comment: str) -> None:
        known = [key for key, _ in self._task.reasons]
        for reason in reasons:
            if reason not in known:
                raise InvalidInput(f"There is no reason `{str(reason)[:60]}`. Give one of: {', '.join(known)}.")
        check_text(comment, "comment", MOST_COMMENT, empty=True)

    def _thumb_example(
        self, who: Principal, turn: Turn, rating: str | None, reasons: Sequence[str], comment: str
    ) -> Callable[..., Example | None]:
        """What a thumb does to the answer's example, to be called with the transaction."""
        if rating == "down" and turn.state == "complete":
            return self._proposal(who, turn, "thumb", turn.content, reasons, comment)
        known = self._examples.for_turns([turn.id]).get(turn.id)
        if rating == "down" or known is None or known.provenance != "thumb" or known.state not in UNDECIDED:
            return lambda tx: None
        return partial(self._examples.decide, known.id, "withdrawn", expected_event=known.event_id, by=who.id)

    def _proposal(
        self, who: Principal, turn: Turn, provenance: str, text: str, reasons: Sequence[str], comment: str
    ) -> Callable[..., Example]:
        prompt = prompt_of(self._conversations.path_to(turn.id), single_turn=self._task.single_turn)
        return partial(
            self._examples.propose,
            provenance=provenance,
            turn_id=turn.id,
            conversation_id=turn.conversation_id,
            prompt=prompt,
            completion=text,
            answer=turn.content,
            version=turn.version,
            reasons=reasons,
            comment=comment,
            by=who.id,
        )


def _is_id(given: object) -> bool:
    return isinstance(given, str) and ID.fullmatch(given) is not None
