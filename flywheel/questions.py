"""From a question to the answer under way: what the model is sent, the stored question, the running replies.

One answer at a time in one place of a conversation. Knows no roles and no owners' rights; the chat service has checked
them.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flywheel.abreast import Abreast, Side
from flywheel.errors import PUBLIC, Conflict, InvalidInput, Unavailable
from flywheel.history import MOST_MESSAGES, Message, exchanges
from flywheel.reply import Asked, Reply, Update
from flywheel.roles import Principal
from flywheel.serving.engine import Engine, Sampling, Stream
from flywheel.tasks.build import Task
from flywheel.tasks.tokens import neutralise_messages
from flywheel.tree import path_through, shown_path
from flywheel.words.catalogue import say
from storage.consents import ConsentStore
from storage.conversations import ConversationStore, Turn
from storage.database import Database
from storage.transaction import Transaction

MOST_TITLE = 60
log = logging.getLogger(__name__)
AGAIN_TEMPERATURE, AGAIN_TOP_P = 0.8, 0.95
"""How another answer of a version is drawn that has answered the question already: the likeliest is known then."""


@dataclass(frozen=True)
class Question:
    """What a person asks, checked."""

    who: Principal
    conversation_id: str | None
    """None begins a conversation."""
    text: str
    version: str
    sampling: Sampling
    source: str
    after: str | None = None
    """The turn it follows, with a conversation; None: the last one of the branch that is shown."""
    instead_of: Turn | None = None
    """An earlier question, in whose place it stands beside it."""
    again: Turn | None = None
    """The stored question itself, to be answered once more: nothing is stored but the answer."""
    told: tuple[Message, ...] = ()
    """Earlier questions and answers by turns, as the caller tells them; stored as given, before the question."""
    system: str | None = None
    """Takes the place of the task's system message."""
    leave_out: bool = False
    """Nothing may learn from the conversation that it begins."""
    user: str = ""
    """Whom the caller asks for, in the caller's own words."""


class Questions:
    """Stores questions, has them answered, and keeps the answers."""

    def __init__(self, database: Database, conversations: ConversationStore, engine: Engine, task: Task) -> None:
        self._database, self._conversations = database, conversations
        self._consents = ConsentStore(database)
        self._engine, self._task = engine, task
        self._claims = threading.Lock()
        self._busy: set[str] = set()
        self._replies: dict[str, tuple[str, Reply | Abreast]] = {}

    def ask(self, question: Question, beside: Side | None = None) -> Iterator[Update]:
        """Follow the answer, and another one to its right where `beside` says whose.

        Raises InvalidInput, Conflict or Unavailable before anything is stored.
        """
        claimed = [place] if (place := _place(question)) else []
        self._claim(*claimed)
        try:
            yield from self._answer(question, claimed, beside)
        finally:
            with self._claims:
                self._busy.difference_update(claimed)

    def stop(self, who: Principal, turn_id: str) -> bool:
        """End the answer of that id if it is under way and theirs."""
        owner, reply = self._replies.get(turn_id, ("", None))
        if reply is None or owner != who.id:
            return False
        reply.stop()
        return True

    @property
    def open(self) -> int:
        """Answers under way."""
        return len(self._replies)

    def _answer(self, question: Question, claimed: list[str], beside: Side | None) -> Iterator[Update]:
        ready, words = self._engine.ready()
        if not ready:
            raise Unavailable(say("error.model.not_yet", words=words))
        before = self._before(question)
        sampling = _seeded(self._sampling(question))
        stream, left_out = self._submit(question, before, sampling)
        second = None
        try:
            second = self._second(question, before, beside)
            # The model reads meanwhile; nothing of its answer is shown before the question is durable.
            stored = question.again or self._store(question, before)
            if question.again is None:
                # Nothing can follow it, and it cannot be asked again, before it has its answer.
                self._claim(stored.id)
                claimed.append(stored.id)
        except BaseException:
            for begun in (stream, second and second[1]):
                if begun is not None:
                    begun.cancel()
            raise
        reply = self._reply(question, Asked(stored, question.version, sampling, left_out), stream, second)
        self._replies.update(dict.fromkeys(reply.ids, (question.who.id, reply)))
        try:
            yield from reply.updates()
        finally:
            for id in reply.ids:
                del self._replies[id]

    def _second(self, question: Question, before: Sequence[Turn], side: Side | None) -> tuple[Side, Stream] | None:
        """Another answer on its way, where one is wanted and there is room for it."""
        if side is None:
            return None
        side = Side(side.version, _seeded(side.sampling))
        try:
            return side, self._submit(replace(question, version=side.version), before, side.sampling)[0]
        except PUBLIC as error:
            log.info("no second answer: %s", error)
            return None

    def _reply(
        self, question: Question, asked: Asked, stream: Stream, second: tuple[Side, Stream] | None
    ) -> Reply | Abreast:
        keep = self._keeper(question, asked)
        if second is None:
            return Reply(asked, stream, self._task.outcome, keep)
        other = replace(asked, version=second[0].version, sampling=second[0].sampling)
        right = other, second[1], self._keeper(question, other)
        return Abreast(self._task, (asked, stream, keep), right)

    def _claim(self, *places: str) -> None:
        with self._claims:
            if not self._busy.isdisjoint(places):
                raise Conflict(say("error.chat.busy"))
            self._busy.update(places)

    def _before(self, question: Question) -> list[Turn]:
        if stands := question.again or question.instead_of:
            return self._conversations.path_to(stands.id)[:-1]
        if question.conversation_id is None:
            return []
        turns = self._conversations.turns(question.conversation_id)
        choices = self._conversations.choices(question.conversation_id)
        path = path_through(turns, question.after, choices) if question.after else shown_path(turns, choices)
        with self._claims:
            if path and path[-1].id in self._busy - {question.after}:
                raise Conflict(say("error.chat.busy"))
        return path

    def _sampling(self, question: Question) -> Sampling:
        """As it was asked for; drawn, where this version has said already what it holds most likely."""
        if question.again is None:
            return question.sampling
        turns = self._conversations.turns(question.again.conversation_id)
        said = [t.version for t in turns if t.parent_id == question.again.id and t.state in ("complete", "stopped")]
        if question.sampling.temperature > 0 or question.version not in said:
            return question.sampling
        return replace(question.sampling, temperature=AGAIN_TEMPERATURE, top_p=AGAIN_TOP_P)

    def _submit(self, question: Question, before: Sequence[Turn], sampling: Sampling) -> tuple[Stream, int]:
        """The answer on its way, and how many earlier messages did not fit. InvalidInput when the text does not."""
        system = question.again.details.get("system") if question.again else question.system
        earlier = [*exchanges(before), *question.told]
        kept = [] if self._task.single_turn else earlier[-MOST_MESSAGES:]
        tokens = self._engine.control_tokens()
        while True:
            wanted = self._task.messages([*kept, {"role": "user", "content": question.text}])
            try:
                stream = self._engine.submit(
                    neutralise_messages(_under(system, wanted), tokens), question.version, sampling
                )
            except InvalidInput:
                if not kept:
                    self._refuse_instructions(system)
                    raise
                kept = kept[2:]
            else:
                return stream, 0 if self._task.single_turn else len(earlier) - len(kept)

    def _refuse_instructions(self, system: str | None) -> None:
        """Raise InvalidInput when no question fits behind the instructions: then shortening it would not help."""
        try:
            self._engine.check(_under(system, self._task.messages([{"role": "user", "content": "?"}])))
        except InvalidInput as error:
            told = "message" if system else "tables" if self._task.name == "sql" else "instructions"
            raise InvalidInput(say(f"error.model.too_small.{told}", base=self._engine.base)) from error

    def _store(self, question: Question, before: Sequence[Turn]) -> Turn:
        by = question.who.id

        def job(tx: Transaction) -> Turn:
            conversation_id = question.conversation_id
            if conversation_id is None:
                title = " ".join(question.text.split())[:MOST_TITLE]
                begun = self._conversations.start(owner=by, task=self._task.name, title=title, by=by, tx=tx)
                conversation_id = begun.id
                if question.leave_out:
                    self._consents.choose(by, "no", conversation_id=begun.id, by=by, tx=tx)
            last = before[-1].id if before else None
            for said in question.told:
                last = self._add(tx, question, conversation_id, last, said, {"given": True}).id
            asked = {"role": "user", "content": question.text}
            return self._add(tx, question, conversation_id, last, asked, _asides(question))

        return self._database.write(job, by=by)

    def _add(
        self, tx: Transaction, question: Question, to: str, after: str | None, said: Message, details: dict[str, Any]
    ) -> Turn:
        return self._conversations.add_turn(
            conversation_id=to,
            parent_id=after,
            role=said["role"],
            content=said["content"],
            source=question.source,
            details=details,
            by=question.who.id,
            tx=tx,
        )

    def _keeper(self, question: Question, asked: Asked) -> Callable[[str | None, str, str, dict[str, Any]], Turn]:
        def keep(id: str | None, text: str, state: str, details: dict[str, Any]) -> Turn:
            return self._conversations.add_turn(
                id=id,
                conversation_id=asked.question.conversation_id,
                parent_id=asked.question.id,
                role="assistant",
                content=text,
                state=state,
                version=asked.version,
                source=question.source,
                details=details,
                by=question.who.id,
            )

        return keep


def _place(question: Question) -> str | None:
    """What must not be asked twice at the same time; None where it may."""
    if question.source == "rest":
        # A program may follow one turn several times at once: that is a tree, and each branch has its own end.
        return None
    stands = question.again or question.instead_of
    return stands.id if stands else question.after or question.conversation_id


def _under(system: str | None, messages: list[Message]) -> list[Message]:
    """The messages under this system message instead of the task's own."""
    if system is None:
        return messages
    return [{"role": "system", "content": system}, *(m for m in messages if m["role"] != "system")]


def _asides(question: Question) -> dict[str, Any]:
    """What a question came with beside its text."""
    known = {"user": question.user, "system": question.system}
    return {name: value for name, value in known.items() if value}


def _seeded(sampling: Sampling) -> Sampling:
    """Drawn answers get a seed of ours, so that what is recorded is enough to draw them again."""
    if sampling.temperature == 0 or sampling.seed is not None:
        return sampling
    return replace(sampling, seed=secrets.randbelow(2**31))
