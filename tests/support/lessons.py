"""Corrections and versions that have learned them, without a model: real stores, rows as the services leave them."""

from dataclasses import dataclass, replace

from flywheel.learned import Learned
from flywheel.roles import Principal
from storage.consents import ConsentStore
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetRow, DatasetStore
from storage.examples import Example, ExampleStore
from storage.feedback import FeedbackStore
from storage.home import Home
from storage.notices import NoticeStore
from storage.versions import VersionStore
from tests.support.desk import OWNER, REVIEWER, asked


@dataclass
class School:
    """The stores of a home, and the service over them."""

    home: Home
    database: Database

    def __post_init__(self) -> None:
        self.conversations, self.feedback = ConversationStore(self.database), FeedbackStore(self.database)
        self.examples, self.datasets = ExampleStore(self.database), DatasetStore(self.database)
        self.versions = VersionStore(self.database)
        self.learned = Learned(
            self.feedback, self.examples, self.datasets, self.versions, NoticeStore(self.database), self.home,
            self.versions.served,
        )  # fmt: skip

    def corrected(self, who: Principal, question: str, answer: str, right: str) -> Example:
        """A question, an answer, and what it should have been, as the chat leaves them; learning is allowed."""
        ConsentStore(self.database).choose(who.id, "yes", by=who.id)
        talk = self.conversations.start(owner=who.id, task="sql", by=who.id)
        user = self.conversations.add_turn(
            conversation_id=talk.id, parent_id=None, role="user", content=question, by=who.id
        )
        turn = self.conversations.add_turn(
            conversation_id=talk.id, parent_id=user.id, role="assistant", content=answer, version="v0", by=who.id
        )
        return self.again(who, turn.id, question, answer, right)

    def again(self, who: Principal, turn_id: str, question: str, answer: str, right: str) -> Example:
        """Another correction of the same answer."""
        turn = self.conversations.turn(turn_id)
        assert turn is not None
        self.feedback.rate(turn_id, "down", by=who.id)
        self.feedback.correct(turn_id, right, by=who.id)
        return self.examples.propose(
            provenance="correction", turn_id=turn_id, conversation_id=turn.conversation_id, prompt=asked(question),
            completion=right, answer=answer, version="v0", by=who.id,
        )  # fmt: skip

    def decided(self, example: Example, kind: str, completion: str | None = None, reason: str | None = None) -> Example:
        """A reviewer's decision."""
        return self.examples.decide(
            example.id, kind, completion=completion, reason=reason, expected_event=None, by=REVIEWER.id
        )

    def approved(self, who: Principal, question: str, answer: str, right: str) -> Example:
        """Corrected and approved."""
        return self.decided(self.corrected(who, question, answer, right), "approved")

    def frozen(self, sides: dict[str, list[Example]], refused: dict[str, str] | None = None) -> str:
        """A dataset version with these rows; its name."""
        rows = [
            DatasetRow("", e.id, side, e.id, e.prompt, e.completion, e.provenance, 0)
            for side, examples in sides.items()
            for e in examples
        ]
        rows = [replace(row, position=position) for position, row in enumerate(rows)]
        left_out = [{"example_id": id, "reason": reason} for id, reason in (refused or {}).items()]
        return self.datasets.create(
            name="", note="", task="sql", content_hash=f"hash{self.datasets.next_number()}", system_hash="",
            refused=left_out, policy={}, rows=rows, by=OWNER.id,
        ).id  # fmt: skip

    def trained(self, dataset: str, *, run: int | None = None) -> str:
        """A version of that dataset; its name."""
        made = self.versions.create(
            run=run, dataset=dataset, base="b", revision=None, base_form="full", adapter_sha256="0", by=OWNER.id
        )
        return made.id

    def promoted(self, version: str, kind: str = "promote") -> None:
        """From now on this version answers."""
        self.versions.promote(version, kind=kind, override=None, verdict={}, by=OWNER.id)
