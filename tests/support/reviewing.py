"""The inbox over a desk: leases on a clock that tests move, second eyes on wish, chats with a given certainty."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from flywheel.curation import Curation
from flywheel.inbox import Inbox
from flywheel.leases import Leases
from flywheel.queue import Queue
from flywheel.roles import Principal, Role
from flywheel.second_eyes import SecondEyes
from flywheel.tasks.chat import ChatTask
from storage.examples import Example
from storage.queue import QueueStore
from storage.tags import TagStore
from storage.versions import VersionStore
from tests.support.desk import GUEST, Desk, asked, rules

ANN, BOB, CAY = (Principal(f"local:reviewer:{name}", Role.REVIEWER) for name in ("ann", "bob", "cay"))


@dataclass
class Review:
    """A desk with an inbox."""

    desk: Desk
    inbox: Inbox
    curation: Curation
    queue: Queue
    leases: Leases
    eyes: SecondEyes
    now: list[float]
    """The time of the leases, in seconds; tests write it."""

    @classmethod
    def at(cls, desk: Desk, share: float = 0.0, flagged: Callable[[], Collection[str]] = tuple) -> "Review":
        """An inbox over the stores of a desk."""
        now = [0.0]
        store, leases = QueueStore(desk.database), Leases(lambda: now[0])
        queue = Queue(store)
        eyes = SecondEyes(desk.database, desk.examples, queue, share, flagged)
        curation = Curation(desk.examples, desk.conversations, ChatTask(), rules, None, desk.guard, leases, eyes)
        tags, versions = TagStore(desk.database), VersionStore(desk.database)
        inbox = Inbox(queue, store, curation, tags, leases, eyes, desk.frozen, versions)
        return cls(desk, inbox, curation, queue, leases, eyes, now)

    def ids(self, who: Principal = ANN, **how: object) -> list[str]:
        """What the first page lists."""
        return [row.id for row in self.inbox.page(who, **how).entries]  # type: ignore[arg-type]

    def chatted(
        self,
        question: str,
        correction: str | None = None,
        *,
        logprob: float | None = None,
        others: int = 0,
        by: Principal = GUEST,
    ) -> Example:
        """A question, its answer (and others to it), a thumb down, and a correction where one is given."""
        self.desk.consents.choose(by.id, "yes", by=by.id)
        conversations, answer = self.desk.conversations, "The answer."
        conversation = conversations.start(owner=by.id, task="chat", by=by.id).id
        said = {"conversation_id": conversation, "by": by.id}
        user = conversations.add_turn(parent_id=None, role="user", content=question, **said)
        details = {} if logprob is None else {"mean_logprob": logprob}
        turns = [
            conversations.add_turn(
                parent_id=user.id, role="assistant", content=text, version="v0", details=details, **said
            )
            for text in [answer, *(f"Another {n}." for n in range(others))]
        ]
        self.desk.feedback.rate(turns[0].id, "down", ["wrong_fact"], by=by.id)
        return self.desk.examples.propose(
            provenance="correction" if correction else "thumb", turn_id=turns[0].id, conversation_id=conversation,
            prompt=asked(question), completion=correction or answer, answer=answer, version="v0",
            reasons=["wrong_fact"], by=by.id,
        )  # fmt: skip
