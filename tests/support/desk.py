"""The reviewing half of the wheel on a home of its own: real stores, real files, a task without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flywheel.curation import Curation
from flywheel.datasets import Datasets
from flywheel.exports import Exporter
from flywheel.guarding import Guard
from flywheel.imports import Importer
from flywheel.poisoning.limits import Limits
from flywheel.roles import Principal, Role
from flywheel.tasks.build import Task
from flywheel.validity import Rules
from storage.consents import ConsentStore
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetStore
from storage.examples import Example, ExampleStore, NewExample
from storage.feedback import FeedbackStore
from storage.home import Home
from storage.own_words import in_own_words

OWNER = Principal("local:owner", Role.OWNER)
REVIEWER = Principal("local:reviewer:ann", Role.REVIEWER)
GUEST = Principal("guest:0123456789abcdef0123456789abcdef", Role.GUEST)
STARTER_DATA = Path(__file__).parents[2] / "starter" / "data"


def rules() -> Rules:
    """A base whose tokens are words, and of which 200 fit."""
    return Rules(
        control_tokens=("<|im_start|>", "<|im_end|>"),
        max_tokens=200,
        count=lambda prompt, completion: sum(len(m["content"].split()) for m in prompt) + len(completion.split()),
    )


def asked(text: str) -> list[dict[str, str]]:
    """The prompt of a single question."""
    return [{"role": "user", "content": text}]


@dataclass
class Desk:
    """Stores and services over one database."""

    home: Home
    database: Database
    examples: ExampleStore
    conversations: ConversationStore
    feedback: FeedbackStore
    frozen: DatasetStore
    curation: Curation
    datasets: Datasets
    importer: Importer
    exporter: Exporter
    consents: ConsentStore
    guard: Guard

    @classmethod
    def open(cls, path: Path, task: Task, bundled: Path | None = STARTER_DATA) -> "Desk":
        """Everything on the home at `path`, made when it is not there."""
        home = Home.open(path)
        database = Database.open(home.database, home.ledger_tail)
        examples, conversations = ExampleStore(database), ConversationStore(database)
        feedback, frozen = FeedbackStore(database), DatasetStore(database)
        consents = ConsentStore(database)
        consents.choose(GUEST.id, "yes", by=GUEST.id)
        guard = Guard(examples, Limits(), lambda id: id.startswith("guest:"), lambda: in_own_words(database))
        return cls(
            home,
            database,
            examples,
            conversations,
            feedback,
            frozen,
            Curation(examples, conversations, task, rules, bundled, guard),
            Datasets(frozen, examples, task, home, rules, guard),
            Importer(examples, task, rules),
            Exporter(examples, frozen, conversations, feedback, consents),
            consents,
            guard,
        )

    def approved(self, pairs: Sequence[tuple[str, str]], split: str | None = None) -> list[str]:
        """Approved examples that came from an import; their ids."""
        rows = [NewExample(asked(question), answer, split=split, state="approved") for question, answer in pairs]
        added, _ = self.examples.add_many(rows, by=OWNER.id)
        return added

    def corrected(
        self,
        question: str,
        answer: str,
        correction: str,
        conversation: str | None = None,
        thumb: bool = False,
        person: str = GUEST.id,
    ) -> Example:
        """A chat turn that a guest corrected (or only thumbed down), as the chat leaves it: pending."""
        if person != GUEST.id:
            self.consents.choose(person, "yes", by=person)
        if conversation is None:
            conversation = self.conversations.start(owner=person, task="chat", by=person).id
        user = self.conversations.add_turn(
            conversation_id=conversation, parent_id=None, role="user", content=question, by=person
        )
        turn = self.conversations.add_turn(
            conversation_id=conversation, parent_id=user.id, role="assistant", content=answer, version="v0", by=person
        )
        self.feedback.rate(turn.id, "down", ["wrong_fact"], "not right", by=person)
        return self.examples.propose(
            provenance="thumb" if thumb else "correction",
            turn_id=turn.id,
            conversation_id=conversation,
            prompt=asked(question),
            completion=answer if thumb else correction,
            answer=answer,
            version="v0",
            by=person,
        )
