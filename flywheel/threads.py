"""Whose conversation it is, and what of it is shown: lists, branches, names, deletion.

Everybody sees their own conversations alone; a foreign id is answered like an unknown one, and so is a deleted
conversation. Knows no page and no model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flywheel.errors import InvalidInput, NotFound
from flywheel.roles import Principal, Role, require
from flywheel.texts import check_text
from flywheel.tree import path_through, shown_path, siblings
from flywheel.words.catalogue import say
from storage.comparisons import ComparisonStore
from storage.conversations import Conversation, ConversationStore, Listed, Turn
from storage.examples import ExampleStore
from storage.feedback import Correction, Feedback, FeedbackStore

MOST_LISTED = 50
MOST_NAME, MOST_SEARCH = 100, 200
"""Characters."""
ID = re.compile(r"[0-9a-z]{26}")


@dataclass(frozen=True)
class ThreadItem:
    """One turn with what its reader made of it."""

    turn: Turn
    rating: Feedback | None
    correction: Correction | None
    example_state: str | None
    """pending, approved, rejected, …: where the example that came of it stands."""
    siblings: tuple[str, ...] = ()
    """The turns that stand in its place (retries, edits), its own id among them, oldest first."""
    choice: tuple[Turn, Turn] | None = None
    """This answer and another, from left to right, of which nobody has chosen one yet."""


@dataclass(frozen=True)
class Thread:
    """One branch of a conversation, from its first question to its last answer; no id before the first question."""

    conversation_id: str | None
    items: list[ThreadItem]

    @property
    def place(self) -> str | None:
        """The last turn shown: what is asked next follows it."""
        return self.items[-1].turn.id if self.items else None


@dataclass(frozen=True)
class Threads:
    """Conversations as their owners see them."""

    conversations: ConversationStore
    feedback: FeedbackStore
    examples: ExampleStore
    comparisons: ComparisonStore

    def listed(
        self, who: Principal, search: str = "", limit: int = MOST_LISTED, before: str | None = None
    ) -> list[Listed]:
        """One's conversations, newest first, at most 50; `before` is the `place` of the last one known.

        `search` is looked for in titles and in everything said there, in any case.
        """
        require(who, Role.GUEST)
        check_text(search, "search", MOST_SEARCH, empty=True)
        if before is not None and not is_id(before):
            raise InvalidInput(say("error.conversation.no_place", place=str(before)[:40]))
        words, most = " ".join(search.split()), max(1, min(limit, MOST_LISTED))
        return self.conversations.list_of(who.id, search=words, before=before, limit=most)

    def thread(self, who: Principal, place: str | None) -> Thread:
        """One's own conversation by its id, by default the latest, on the branch that was chosen last.

        `place` may be a turn as well: the branch that ends with it. NotFound for a foreign id as for an unknown one.
        """
        require(who, Role.GUEST)
        if place is None:
            latest = self.conversations.latest_of(who.id)
            if latest is None:
                return Thread(None, [])
            place = latest.id
        conversation, turn = self.at(who, place)
        return self.branch(who, conversation.id, turn.id if turn else None)

    def branch(self, who: Principal, conversation_id: str, turn_id: str | None) -> Thread:
        """As `thread`, for ids that are known to be the caller's: those of an answer under way, never a browser's.

        It is read twice for each answer, and each look into the database costs when many ask at once.
        """
        require(who, Role.GUEST)
        turns = self.conversations.turns(conversation_id)
        # Under the last turn of a branch nothing is left to choose.
        ends = turn_id is not None and all(turn.parent_id != turn_id for turn in turns)
        choices = {} if ends else self.conversations.choices(conversation_id)
        path = path_through(turns, turn_id, choices) if turn_id else shown_path(turns, choices)
        items = self._items(who, path, siblings(turns))
        if items and (choice := self._choice(path[-1], turns)):
            items[-1] = replace(items[-1], choice=choice)
        return Thread(conversation_id, items)

    def show(self, who: Principal, place: str) -> Thread:
        """Choose a conversation, or a turn of one, to be shown: here, after a reload and on another device."""
        require(who, Role.GUEST)
        conversation, turn = self.at(who, place)
        last = turn.id if turn else self.thread(who, conversation.id).place
        if last is not None:
            self.conversations.note(conversation.id, "shown", turn_id=last, by=who.id)
        return self.thread(who, conversation.id)

    def rename(self, who: Principal, conversation_id: str, title: str) -> Conversation:
        """Give one's conversation another title."""
        conversation = self.own(who, conversation_id)
        name = " ".join(check_text(title, "title", MOST_NAME).split())
        self.conversations.note(conversation.id, "renamed", title=name, by=who.id)
        return self.own(who, conversation_id)

    def delete(self, who: Principal, conversation_id: str) -> None:
        """Take one's conversation out of one's list, for good. Corrections sent from it stay with the reviewers."""
        self.conversations.note(self.own(who, conversation_id).id, "deleted", by=who.id)

    def at(self, who: Principal, place: str) -> tuple[Conversation, Turn | None]:
        """One's own conversation, and the turn where `place` is one."""
        turn = self.conversations.turn(place) if is_id(place) else None
        return self.own(who, turn.conversation_id if turn else place), turn

    def own(self, who: Principal, conversation_id: str) -> Conversation:
        """One's own conversation. NotFound for a foreign or deleted one as for an unknown one."""
        require(who, Role.GUEST)
        found = self.conversations.conversation(conversation_id) if is_id(conversation_id) else None
        if found is None or found.owner != who.id or found.deleted:
            raise NotFound(say("error.conversation.unknown"))
        return found

    def own_turn(self, who: Principal, turn_id: str, role: str) -> Turn:
        """One's own question (`user`) or answer (`assistant`)."""
        require(who, Role.GUEST)
        turn = self.conversations.turn(turn_id) if is_id(turn_id) else None
        conversation = self.conversations.conversation(turn.conversation_id) if turn else None
        if turn is None or conversation is None or conversation.owner != who.id or conversation.deleted:
            turn = None
        if turn is None or turn.role != role:
            raise NotFound(say(f"error.conversation.no_{role}"))
        return turn

    def _choice(self, last: Turn, turns: Sequence[Turn]) -> tuple[Turn, Turn] | None:
        """Two whole answers to one question, where nothing was chosen and nothing follows."""
        pair = pair_of(last, {turn.id: turn for turn in turns})
        if pair is None or any(turn.parent_id in (pair[0].id, pair[1].id) for turn in turns):
            return None
        return None if self.comparisons.between(pair[0].id) else pair

    def _items(self, who: Principal, path: list[Turn], beside: dict[str, tuple[str, ...]]) -> list[ThreadItem]:
        ids = [turn.id for turn in path if turn.role == "assistant"]
        ratings = self.feedback.ratings(ids, by=who.id) if ids else {}
        corrections = self.feedback.corrections(ids, by=who.id) if ids else {}
        # Of most answers nothing was said.
        said = list({**ratings, **corrections})
        told = self.examples.for_author(said) if said else {}
        states = {turn_id: example.state for turn_id, example in told.items()}
        return [ThreadItem(t, ratings.get(t.id), corrections.get(t.id), states.get(t.id), beside[t.id]) for t in path]


def pair_of(turn: Turn, turns: Mapping[str, Turn]) -> tuple[Turn, Turn] | None:
    """The answer and the one that was written beside it, from left to right, where both are whole."""
    other = turns.get(str(turn.details.get("beside")))
    if other is None or other.parent_id != turn.parent_id or {turn.state, other.state} != {"complete"}:
        return None
    return (other, turn) if turn.details.get("at") else (turn, other)


def is_id(given: object) -> bool:
    """Whether it has the shape of an id of ours."""
    return isinstance(given, str) and ID.fullmatch(given) is not None
