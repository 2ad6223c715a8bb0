"""What waits and asks nearly the same: shown together, and decided at once where a reviewer wants that.

Each row of a cluster is decided by `Curation`, with all its checks, on what the reviewer has seen of it. What is nearly
the same is the matter of `neighbours`; whether the answers are alike is for the reviewer to see.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flywheel.curation import Curation
from flywheel.errors import PUBLIC
from flywheel.fresh import Fresh
from flywheel.neighbours import clusters, normalise
from flywheel.roles import Principal, Role, require
from flywheel.words.below import words_of
from storage.examples import Example, ExampleStore

MOST_READ = 100_000
MOST_DECIDED = 500
"""Rows that one decision is for, at most."""

Seen = Sequence[tuple[str, str]]
"""Examples with the event that a reviewer saw last of each."""


@dataclass(frozen=True)
class Cluster:
    """Waiting examples whose questions are near-duplicates."""

    examples: list[Example]
    """Newest first; two or more."""

    @property
    def pairs(self) -> list[tuple[Example, int]]:
        """One example of each pair of question and completion, and how many copies of it there are; most first."""
        numbers = Counter(_pair(example) for example in self.examples)
        first = {_pair(example): example for example in reversed(self.examples)}
        return [(first[pair], count) for pair, count in numbers.most_common()]

    @property
    def seen(self) -> list[tuple[str, str]]:
        """What a decision on this cluster is for."""
        return [(example.id, example.event_id) for example in self.examples[:MOST_DECIDED]]


@dataclass(frozen=True)
class Decided:
    """What one decision on many came to."""

    done: list[str]
    refused: list[tuple[str, str]]
    """Example and why it was not decided."""


class Alike:
    """Finds clusters of what waits, and decides them."""

    def __init__(self, examples: ExampleStore, curation: Curation) -> None:
        self._examples = examples
        self._curation = curation
        self._found = Fresh(self._find)

    def listing(self, who: Principal, limit: int = 50) -> list[Cluster]:
        """The largest first. May be some seconds old where very much waits."""
        require(who, Role.REVIEWER)
        found = {id(cluster): cluster for cluster in self._found.get().values()}
        return sorted(found.values(), key=lambda cluster: -len(cluster.examples))[:limit]

    def of(self, who: Principal, example_id: str) -> Cluster | None:
        """The cluster with this example; None when nothing else waits that asks nearly the same."""
        require(who, Role.REVIEWER)
        return self._found.get().get(example_id)

    def approve(self, who: Principal, seen: Seen, keep: str = "") -> Decided:
        """Approve each as it stands; `keep` is the reason why personal data or what was noticed stays."""
        return self._each(
            who, seen, lambda id, event: self._curation.approve(who, id, keep=keep, expected_event=event).id
        )

    def reject(self, who: Principal, seen: Seen, reason: str) -> Decided:
        """Reject each for one reason."""
        return self._each(who, seen, lambda id, event: self._curation.reject(who, id, reason, expected_event=event).id)

    def _each(self, who: Principal, seen: Seen, decide: Callable[[str, str], str]) -> Decided:
        require(who, Role.REVIEWER)
        decided = Decided([], [])
        for example_id, event in seen[:MOST_DECIDED]:
            try:
                decided.done.append(decide(example_id, event))
            except PUBLIC as error:
                decided.refused.append((example_id, words_of(error)))
        self._found.forget()
        return decided

    def _find(self) -> dict[str, Cluster]:
        waiting = self._examples.listing("pending", limit=MOST_READ)
        groups: dict[int, list[Example]] = {}
        for number, example in zip(clusters([normalise(_question(one)) for one in waiting]), waiting, strict=True):
            groups.setdefault(number, []).append(example)
        found = (Cluster(members) for members in groups.values() if len(members) > 1)
        return {example.id: cluster for cluster in found for example in cluster.examples}


def _question(example: Example) -> str:
    """All that is said before the answer, but for a system message."""
    return "\n".join(message["content"] for message in example.prompt if message["role"] != "system")


def _pair(example: Example) -> tuple[str, str]:
    return normalise(_question(example)), " ".join(example.completion.split())
