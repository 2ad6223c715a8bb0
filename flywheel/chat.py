"""The chat: questions and their answers, once more or changed, thumbs and corrections.

Everything a person sends is checked here, whatever page, route or command it came by. A question is stored before
anything of its answer is shown, an answer exactly once. Knows no page and no model library.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from flywheel.abreast import Side
from flywheel.errors import Forbidden, InvalidInput
from flywheel.fair import FairUse
from flywheel.history import Message, prompt_of
from flywheel.poisoning.sent import hides
from flywheel.questions import Question, Questions
from flywheel.reply import Update
from flywheel.roles import Principal, Role, require
from flywheel.serving.engine import Engine, Sampling
from flywheel.settings import Settings
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlOutcome
from flywheel.texts import check_text
from flywheel.threads import Thread as Thread
from flywheel.threads import ThreadItem as ThreadItem
from flywheel.threads import Threads
from flywheel.words.catalogue import say
from storage.comparisons import ComparisonStore
from storage.conversations import ConversationStore, Listed, Turn
from storage.database import Database
from storage.examples import Example, ExampleStore
from storage.feedback import RATINGS, Correction, Feedback, FeedbackStore
from storage.transaction import Transaction

MOST_MESSAGE, MOST_CORRECTION, MOST_COMMENT, MOST_USER = 8_000, 20_000, 2_000, 256
"""Characters."""
UNDECIDED = ("pending", "skipped")


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
        self._fair = FairUse(conversations, settings)
        self.threads = Threads(conversations, feedback, examples, ComparisonStore(database))

    def conversations(
        self, who: Principal, search: str = "", limit: int = 50, before: str | None = None
    ) -> list[Listed]:
        """One's conversations, newest first: see `Threads.listed`, which also renames and deletes them."""
        return self.threads.listed(who, search, limit, before)

    def thread(self, who: Principal, place: str | None) -> Thread:
        """One's own conversation, by default the latest; or the branch of it that ends with the turn `place`."""
        return self.threads.thread(who, place)

    def reply(
        self,
        who: Principal,
        place: str | None,
        text: str,
        *,
        version: str | None = None,
        sampling: Sampling | None = None,
        source: str = "page",
        beside: Side | None = None,
        leave_out: bool = False,
    ) -> Iterator[Update]:
        """Ask, and follow the answer; None begins a conversation. Closing the iterator cancels the answer.

        `place` is a conversation, which goes on from the branch that is shown, or the turn to go on from. `beside`
        has another answer written to the right of it; `leave_out` begins a conversation that nothing learns from.
        Nothing is stored when the question is refused: InvalidInput, NotFound, Forbidden, Conflict, or Unavailable
        while the model loads. What goes wrong after that is the last update's notice.
        """
        self._admit(who)
        check_text(text, "message", MOST_MESSAGE)
        conversation, turn = (None, None) if place is None else self.threads.at(who, place)
        yield from self._ask(
            Question(
                who, conversation.id if conversation else None, text, version or self._served(),
                sampling or self.usual_sampling(), source, after=turn.id if turn else None, leave_out=leave_out,
            ),
            beside,
        )  # fmt: skip

    def retry(self, who: Principal, turn_id: str, *, source: str = "page") -> Iterator[Update]:
        """Another answer to the question of this one (or to this question), beside those it has; as `reply`.

        A version that has answered it already draws; what it drew with is kept with the answer.
        """
        self._admit(who)
        _, turn = self.threads.at(who, turn_id)
        asked = self.threads.own_turn(who, (turn and turn.role == "assistant" and turn.parent_id) or turn_id, "user")
        yield from self._ask(
            Question(
                who, asked.conversation_id, asked.content, self._served(), self.usual_sampling(), source, again=asked
            )
        )  # fmt: skip

    def edit(
        self, who: Principal, turn_id: str, text: str, side: Side | None = None, beside: Side | None = None
    ) -> Iterator[Update]:
        """Ask something else in the place of an earlier question of one's own; both are kept. As `reply`."""
        self._admit(who)
        asked = self.threads.own_turn(who, turn_id, "user")
        check_text(text, "message", MOST_MESSAGE)
        if text == asked.content:
            raise InvalidInput(say("error.chat.same_question"))
        side = side or Side(self._served(), self.usual_sampling())
        question = Question(who, asked.conversation_id, text, side.version, side.sampling, "page", instead_of=asked)
        yield from self._ask(question, beside)

    def _ask(self, question: Question, beside: Side | None = None) -> Iterator[Update]:
        """Follow the answer, counted for whoever asks; two beside each other count as one. Raises LimitReached."""
        return self._fair.counted(question.who, question.source, self._questions.ask(question, beside))

    def _admit(self, who: Principal) -> None:
        require(who, Role.GUEST)
        if who.role is Role.GUEST and not self._settings.guest_chat:
            raise Forbidden(say("error.chat.no_guests"))

    def usual_sampling(self) -> Sampling:
        """How answers are drawn where nobody says otherwise; a longer one than the task's own has longer to come."""
        settings, task = self._settings, self._task
        most = settings.max_tokens or task.answer_tokens
        seconds = min(3600.0, task.answer_seconds * max(1.0, most / task.answer_tokens))
        return Sampling(most, settings.temperature, settings.top_p, deadline_s=seconds)

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
            check_text(said["content"], "earlier", MOST_CORRECTION)
        check_text(user, "user", MOST_USER, empty=True)
        if system is not None:
            check_text(system, "system", MOST_CORRECTION)
        conversation = None if after is None else self.answer(who, after).conversation_id
        yield from self._ask(
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
        turn = self._rated(who, turn_id)
        if rating is not None and rating not in RATINGS:
            raise InvalidInput(say("error.chat.no_rating", rating=rating))
        if reasons and rating != "down":
            raise InvalidInput(say("error.chat.reasons_for_down"))
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
        turn = self._rated(who, turn_id)
        check_text(text, "correction", MOST_CORRECTION)
        self._check_feedback(reasons, comment)
        wanted = self._task.completion(text)
        if not wanted:
            raise InvalidInput(say("error.chat.correction_empty"))
        if wanted == self._task.completion(turn.content):
            raise InvalidInput(say("error.chat.correction_same"))

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
            raise InvalidInput(say("error.chat.no_sql", task=self._task.name))
        return outcome

    def answer(self, who: Principal, turn_id: str) -> Turn:
        """One's own answer. NotFound for a foreign id as for an unknown one."""
        return self.threads.own_turn(who, turn_id, "assistant")

    def _rated(self, who: Principal, turn_id: str) -> Turn:
        """One's own answer that a model gave. InvalidInput for a correction that stands in the place of one."""
        turn = self.answer(who, turn_id)
        if turn.details.get("corrects"):
            raise InvalidInput(say("error.chat.own_correction"))
        return turn

    def _check_feedback(self, reasons: Sequence[str], comment: str) -> None:
        known = [key for key, _ in self._task.reasons]
        for reason in reasons:
            if reason not in known:
                raise InvalidInput(say("error.chat.no_reason", reason=str(reason)[:60], known=", ".join(known)))
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
        propose = partial(
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
        unseen = hides(prompt, text) if who.role is Role.GUEST else None
        return propose if unseen is None else partial(self._put_aside, propose, unseen)

    def _put_aside(self, propose: Callable[..., Example], unseen: str, tx: Transaction) -> Example:
        """Nobody should approve what they cannot see: it waits outside of the inbox."""
        made = propose(tx=tx)
        if made.state != "pending":
            return made
        reason = say("invalid.holds", what=unseen)
        return self._examples.decide(made.id, "quarantined", reason=reason, expected_event=None, by=tx.by, tx=tx)
