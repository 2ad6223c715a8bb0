"""A draft of what an answer should have been, from what the person said of it: by the teacher, else by what serves now.

A draft is shown and never approved by itself; of its text a fingerprint is kept, by which a freeze knows a model's own
words. Personal data and secrets are redacted before anything is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flywheel.curation import Curation
from flywheel.errors import InvalidInput, Unavailable
from flywheel.redaction.pairs import redacted_prompt
from flywheel.redaction.redact import redact
from flywheel.roles import Principal, Role, require
from flywheel.rows import as_sent
from flywheel.serving.engine import Engine, Sampling
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.tokens import neutralise_messages
from flywheel.teacher import Teacher
from flywheel.worddiff import Part, word_diff
from flywheel.words.catalogue import say
from storage.drafts import DraftStore
from storage.examples import Example

Message = dict[str, str]
MOST_SENT = 20_000
"""Characters of a conversation that are sent, the last ones."""
INSTRUCTIONS = """You mend answers of an assistant. You are given a conversation, the answer that a person found wrong,
what they said of it, and perhaps what they proposed instead. Write the answer as it should have been and nothing else:
no explanation, no introduction, no code fence."""


@dataclass(frozen=True)
class Suggestion:
    """A draft."""

    text: str
    by: str
    """The teacher's model, or the version that drafted it."""
    diff: list[Part]
    """From what is proposed now to the draft; empty when it is the same."""
    problem: str | None
    """Why the draft could not be approved, without a full stop; None when it could."""


class Suggestions:
    """Drafts completions for the inbox."""

    def __init__(
        self,
        curation: Curation,
        teacher: Teacher,
        engine: Engine,
        task: Task,
        served: Callable[[], str],
        drafts: DraftStore,
    ) -> None:
        """`served` names the version that answers now."""
        self._curation, self._teacher, self._engine = curation, teacher, engine
        self._task, self._served, self._drafts = task, served, drafts

    def drafter(self, who: Principal) -> str:
        """Who would be asked: the teacher's model, or a version; told before anything is sent."""
        require(who, Role.REVIEWER)
        return self._teacher.name or self._served()

    @property
    def leaves_the_house(self) -> bool:
        """Whether a draft is asked of a server that somebody else may run."""
        return bool(self._teacher.name)

    def draft(self, who: Principal, example_id: str) -> Suggestion:
        """One draft for an example. Raises NotFound; Unavailable, InvalidInput or Unanswered with why there is none."""
        require(who, Role.REVIEWER)
        item = self._curation.item(who, example_id)
        by = self.drafter(who)
        drafted = self._by_teacher(item.example) if self._teacher.name else self._by_version(item.example, by)
        text = self._task.completion(drafted)
        if not text:
            raise Unavailable(say("error.suggest.empty", by=by))
        self._drafts.remember(example_id, text, by=who.id)
        now = item.example.completion
        diff = word_diff(now, text) if text != now else []
        return Suggestion(text, by, diff, self._curation.problem(item.example, text))

    def _by_teacher(self, example: Example) -> str:
        about = [INSTRUCTIONS]
        if self._task.system_prompt:
            about.append(f"The assistant was told:\n{self._task.system_prompt}")
        elif isinstance(self._task, SqlTask):
            tables = self._task.schema()
            about.append(f"The assistant answers with one SQL statement for DuckDB over these tables:\n{tables}")
        asked = "\n\n".join(f"{m['role']}: {m['content']}" for m in example.prompt if m["role"] != "system")
        parts = [f"The conversation:\n{asked[-MOST_SENT:]}"]
        if example.answer:
            parts.append(f"The answer that was found wrong:\n{example.answer}")
        if said := _said(example):
            parts.append(f"What the person said of it:\n{said}")
        if example.completion and example.completion != example.answer:
            parts.append(f"What the person proposed:\n{example.completion}")
        return self._teacher.complete(
            [{"role": "system", "content": "\n\n".join(about)}, {"role": "user", "content": "\n\n".join(parts)}]
        )

    def _by_version(self, example: Example, version: str) -> str:
        """The assistant itself is told what was wrong; one that reads single questions is asked once more."""
        tokens = self._engine.control_tokens()
        messages = as_sent(self._task, redacted_prompt(example.prompt), tokens)
        if not self._task.single_turn and example.answer:
            wanted = f"That is not right. {redact(_said(example)).text}\nAnswer again, with nothing but the answer."
            told = [{"role": "assistant", "content": redact(example.answer).text}, {"role": "user", "content": wanted}]
            messages = [*messages, *neutralise_messages(told, tokens)]
        sampling = Sampling(self._task.answer_tokens, deadline_s=self._task.answer_seconds)
        made = self._engine.submit(messages, version, sampling).result()
        if made.finish_reason == "error" or not made.text.strip():
            raise Unavailable(
                say(
                    "error.suggest.nothing",
                    version=version,
                    reason=(made.error or say("error.suggest.answer_empty")).rstrip("."),
                )
            )
        if example.answer and self._task.completion(made.text) == self._task.completion(example.answer):
            raise InvalidInput(say("error.suggest.same", version=version))
        return made.text


def _said(example: Example) -> str:
    """The comment and the reasons of the person, in their words."""
    reasons = ", ".join(reason.replace("_", " ") for reason in example.reasons)
    return "\n".join(text for text in (example.comment, reasons) if text)
