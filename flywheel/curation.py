"""Review: what waits for a decision, what a reviewer sees of it, and the decision itself.

Every decision checks the role, the state it was taken on, and (for an approval) that the completion can be trained
on: for SQL that means it was executed. Knows nothing of pages, and nothing of datasets: what is approved waits there.
"""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from pathlib import Path

from flywheel.bundled import Bundled
from flywheel.errors import PUBLIC, Conflict, InvalidInput, NotFound
from flywheel.guarding import Guard
from flywheel.items import Item as Item
from flywheel.items import meanwhile, pseudonym
from flywheel.leases import Leases
from flywheel.redaction.pairs import private, redacted_prompt
from flywheel.redaction.redact import redact
from flywheel.roles import Principal, Role, require
from flywheel.rows import why_unusable
from flywheel.second_eyes import SecondEyes
from flywheel.tasks.build import Task
from flywheel.validity import Rules
from flywheel.worddiff import word_diff
from flywheel.words.below import words_of
from flywheel.words.catalogue import say
from storage.conversations import ConversationStore
from storage.errors import Stale
from storage.examples import Example, ExampleStore


class Curation:
    """The inbox and its decisions."""

    def __init__(
        self,
        examples: ExampleStore,
        conversations: ConversationStore,
        task: Task,
        rules: Callable[[], Rules],
        bundled: Path | None,
        guard: Guard,
        leases: Leases | None = None,
        eyes: SecondEyes | None = None,
    ) -> None:
        """`rules` is asked at each decision, since a base may still load; `bundled` holds the starter's example data,
        None where another base is configured. Without `leases` and `eyes` a decision is whoever's comes first."""
        self._examples = examples
        self._conversations = conversations
        self._task = task
        self._rules = rules
        self._guard = guard
        self._bundled = Bundled(bundled, examples)
        self._leases = leases
        self._eyes = eyes

    def inbox(self, who: Principal, limit: int = 50, after: str | None = None) -> list[Example]:
        """What waits: corrections before thumbs, newest first. `after` is the last id of the page before."""
        require(who, Role.REVIEWER)
        return self._examples.inbox(limit=limit, after=after)

    def named(self, ids: Sequence[str]) -> dict[str, Example]:
        """Examples by their ids, for those who have asked what they may see."""
        return self._examples.named(ids)

    def listing(self, who: Principal, state: str | None = None, limit: int = 50, offset: int = 0) -> list[Example]:
        """Examples of one state (or all), newest first."""
        require(who, Role.REVIEWER)
        return self._examples.listing(state=state, limit=limit, offset=offset)

    def counts(self, who: Principal) -> dict[str, int]:
        """How many examples are in each state."""
        require(who, Role.REVIEWER)
        return self._examples.counts()

    def approved_sides(self, who: Principal) -> dict[str, int]:
        """How many approved examples have a side fixed by an import: side → number; `` for none."""
        require(who, Role.REVIEWER)
        return dict(Tally(example.split or "" for example in self._examples.approved()))

    def item(self, who: Principal, example_id: str, completion: str | None = None) -> Item:
        """One example with its conversation, the difference to the answer, and what its SQL returns.

        With `completion` as if that were proposed: nothing is stored.
        """
        require(who, Role.REVIEWER)
        example = self._get(example_id)
        text = example.completion if completion is None else completion
        thread = self._conversations.path_to(example.turn_id) if example.turn_id else []
        return Item(
            example=example,
            thread=thread,
            diff=word_diff(example.answer or "", text),
            outcome=self._task.outcome(text),
            problem=self.problem(example, text),
            private=private(example.prompt, text),
            flags=self._flags(who, example),
        )

    def approve(
        self,
        who: Principal,
        example_id: str,
        *,
        completion: str | None = None,
        keep: str = "",
        expected_event: str | None = None,
    ) -> Example:
        """Approve, as it stands or with another completion. Personal data and secrets in it need `keep`, the reason
        why they are trained on, as does what a freeze would hold back; it is stored with the decision. Raises
        InvalidInput with the reason when it cannot be trained on, Conflict when something else was decided after
        `expected_event`."""
        require(who, Role.REVIEWER)
        example = self._current(example_id, expected_event)
        # A page sends back what it showed: only a changed text is brought into the task's form.
        shown = completion in (None, example.completion)
        text = example.completion if shown else self._task.completion(completion or "")
        held = private(example.prompt, text)
        reason = (keep.strip() or None) if held or self._flags(who, example) else None
        same = text == example.completion and reason == example.reason
        if example.state == "withdrawn" or (example.state == "approved" and same):
            raise Conflict(meanwhile(example, say("error.example.unchanged")))
        if found := self.problem(example, text):
            raise InvalidInput(say("error.example.invalid", found=found))
        if held and not reason:
            raise InvalidInput(say("error.example.private", held=held))
        return self._decide(who, example, "approved", completion=text, reason=reason)

    def redact(
        self, who: Principal, example_id: str, *, completion: str | None = None, expected_event: str | None = None
    ) -> Example:
        """Put typed tags in the place of personal data and secrets, in the prompt and in the completion (or another
        one). The example waits again; an approved one stays approved. Raises Conflict when nothing was found."""
        require(who, Role.REVIEWER)
        self._expect_free(who, example_id)
        example = self._current(example_id, expected_event)
        text = example.completion if completion is None else completion
        prompt, text = redacted_prompt(example.prompt), redact(text).text
        if example.state == "withdrawn" or (prompt == example.prompt and text == example.completion):
            raise Conflict(say("error.example.nothing_to_redact"))
        if example.state == "approved" and (found := self.problem(example, text)):
            raise InvalidInput(say("error.example.redacted_invalid", found=found))
        try:
            return self._examples.redact(
                example.id,
                prompt,
                text,
                provenance=example.provenance if completion in (None, example.completion) else "edited",
                expected_event=example.event_id,
                by=who.id,
            )
        except Stale as error:
            raise Conflict(meanwhile(self._get(example.id), say("error.example.not_redacted"))) from error

    def reject(self, who: Principal, example_id: str, reason: str, *, expected_event: str | None = None) -> Example:
        """Reject for a reason, in any words. Raises InvalidInput without one."""
        require(who, Role.REVIEWER)
        if not reason.strip():
            raise InvalidInput(say("error.example.rejection_needs_reason"))
        return self._turn_down(who, example_id, "rejected", expected_event, reason.strip())

    def skip(self, who: Principal, example_id: str, *, expected_event: str | None = None) -> Example:
        """Put off for this reviewer alone: they are asked again after a day, or once it changes. Others still are.
        Raises Conflict when it does not wait, or they have judged it already."""
        require(who, Role.REVIEWER)
        self._get(example_id)
        example = self._current(example_id, expected_event)
        if example.state != "pending":
            raise Conflict(meanwhile(example, say("error.example.unchanged")))
        self._expect_free(who, example.id)
        seconds = self._leases.seconds(example.id, who.id) if self._leases else None
        try:
            if not self._examples.votes.skip(example, seconds, by=who.id):
                raise Conflict(say("error.review.judged_already"))
        except Stale as error:
            raise Conflict(meanwhile(self._get(example.id), say("error.example.decision_lost"))) from error
        if self._leases:
            self._leases.release(example.id, who.id)
        return example

    def reopen(self, who: Principal, example_id: str, *, expected_event: str | None = None) -> Example:
        """Undo a decision, one's own vote, or putting it off: the example waits again, with the text last proposed."""
        require(who, Role.REVIEWER)
        now = self._get(example_id)
        if now.state == "pending" and self._examples.votes.take_back(now, by=who.id):
            return now
        return self._turn_down(who, example_id, "reopened", expected_event, None)

    def approve_many(
        self, who: Principal, ids: Sequence[str], keep: str = ""
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Approve each as it stands, `keep` as above. Returns the ids approved, and (id, reason) of the others."""
        require(who, Role.REVIEWER)
        approved: list[str] = []
        refused: list[tuple[str, str]] = []
        for example_id in ids:
            try:
                done = self.approve(who, example_id, keep=keep)
                if done.state == "approved":
                    approved.append(done.id)
                else:
                    refused.append((example_id, say("review.approval_kept")))
            except PUBLIC as error:
                refused.append((example_id, words_of(error)))
        return approved, refused

    def problem(self, example: Example, completion: str) -> str | None:
        """Why this completion of an example cannot be approved, without a full stop; None when it can."""
        wrong = example.answer or ""
        # Tags in it do not make a wrong answer right.
        if wrong and completion.strip() in (wrong.strip(), redact(wrong).text.strip()):
            return say("review.same_answer")
        found = why_unusable(self._task, example.prompt, completion, self._rules())
        found = found or self._task.problem(example.prompt, completion)
        return found.rstrip(".") if found else None

    def load_example_corrections(self, who: Principal, term: str, limit: int | None = None) -> int:
        """Put the starter's example corrections of a term into the inbox; returns how many were not there yet."""
        require(who, Role.REVIEWER)
        return self._bundled.load_corrections(who, term, limit)

    def load_phrasings(self, who: Principal, term: str) -> int:
        """Add the starter's held-out phrasings of a term as approved test rows; returns how many were not there yet."""
        require(who, Role.REVIEWER)
        return self._bundled.load_phrasings(who, term)

    def terms(self) -> list[str]:
        """Terms that example corrections are bundled for; empty where another base than the starter is configured."""
        return self._bundled.terms()

    def _flags(self, who: Principal, example: Example) -> list[str]:
        return self._guard.flags(who).get(example.id, [])

    def _turn_down(
        self, who: Principal, example_id: str, kind: str, expected_event: str | None, reason: str | None
    ) -> Example:
        example = self._current(example_id, expected_event)
        if example.state == {"reopened": "pending"}.get(kind, kind):
            raise Conflict(meanwhile(example, say("error.example.unchanged")))
        return self._decide(who, example, kind, reason=reason)

    def _current(self, example_id: str, expected_event: str | None) -> Example:
        # Whether its author allows learning from it is asked in the transaction, of all that is decided.
        example = self._known(example_id)
        if expected_event is not None and example.event_id != expected_event:
            raise Conflict(meanwhile(example, say("error.example.decision_lost")))
        return example

    def _decide(
        self, who: Principal, example: Example, kind: str, *, completion: str | None = None, reason: str | None = None
    ) -> Example:
        self._expect_free(who, example.id)
        seconds = self._leases.seconds(example.id, who.id) if self._leases else None
        try:
            if self._eyes:
                self._eyes.saw(who)
                done = self._eyes.decide(who, example, kind, completion=completion, reason=reason, seconds=seconds)
            else:
                done = self._examples.decide(
                    example.id, kind, completion=completion, reason=reason, expected_event=example.event_id, by=who.id
                )
        except Stale as error:
            raise Conflict(meanwhile(self._get(example.id), say("error.example.decision_lost"))) from error
        if self._leases:
            self._leases.release(example.id, who.id)
        return done

    def _expect_free(self, who: Principal, example_id: str) -> None:
        """Raises Conflict while another reviewer has the item open."""
        other = self._leases.other(example_id, who.id) if self._leases else None
        if other is not None:
            raise Conflict(say("error.example.held", person=pseudonym(other)))

    def _known(self, example_id: str) -> Example:
        example = self._examples.get(example_id)
        if example is None:
            raise NotFound(say("error.example.unknown", example=example_id[:60]))
        return example

    def _get(self, example_id: str) -> Example:
        example = self._known(example_id)
        if self._examples.is_held(example):
            raise NotFound(say("error.example.not_allowed", example=example_id))
        return example
