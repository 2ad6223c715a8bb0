"""The task `chat`: conversation with any chat model.

An answer is worth as much as it shares words with the reference. That knows nothing of meaning: it tells whether a
model came nearer to what people wrote, not whether what it says is true.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from flywheel.words.catalogue import say

Message = dict[str, str]
# Scripts that set no blanks between words (kana, Chinese, Thai) are counted sign by sign.
_SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
WORDS = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+")
NEARLY = 0.99
"""The most that an answer is worth which is not the reference."""


class ChatTask:
    """Sends the whole conversation after one system message; nothing is executed."""

    name = "chat"
    single_turn = False
    answer_tokens, answer_seconds = 1024, 120.0
    """How long an answer may be where nobody says otherwise."""
    reasons: tuple[tuple[str, str], ...] = (
        ("wrong_fact", "Not true"),
        ("off_topic", "Not what I asked"),
        ("not_helpful", "Did not help"),
        ("bad_style", "Wrong tone or style"),
        ("too_long", "Too long"),
        ("unsafe", "Unsafe"),
        ("other", "Something else"),
    )
    notice: str | None = None
    """What a person should know about base and task before asking."""

    def __init__(self, system_prompt: str = "You are a helpful assistant.") -> None:
        self.system_prompt = system_prompt

    def messages(self, history: Sequence[Message]) -> list[Message]:
        """What the model is sent: the system message, then the conversation."""
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, *history]

    def completion(self, text: str) -> str:
        """A corrected answer as an example holds it."""
        return text.strip()

    def outcome(self, text: str) -> None:
        """Answers of this task are read, not run."""
        return None

    def problem(self, prompt: Sequence[Message], completion: str) -> str | None:
        """Why this completion cannot be approved: here any text can."""
        return None

    @contextmanager
    def checking(self) -> Iterator[Callable[[Sequence[str]], list[str | None]]]:
        """`problem` of many completions at once."""
        yield lambda completions: [self.problem([], completion) for completion in completions]

    def correct(self, prediction: str, reference: str) -> bool:
        """Whether the texts are equal but for spacing and case."""
        return " ".join(prediction.split()).casefold() == " ".join(reference.split()).casefold()

    def grade(self, prediction: str, reference: str) -> float:
        """0 to 1: the harmonic mean of how much of the reference is in the answer and how much of the answer in it."""
        if self.correct(prediction, reference):
            return 1.0
        given, wanted = (Counter(WORDS.findall(text.casefold())) for text in (prediction, reference))
        shared = (given & wanted).total()
        return min(NEARLY, 2 * shared / (given.total() + wanted.total())) if shared else 0.0

    def examples(self) -> list[str]:
        """Questions for the first visit."""
        return [say("chat.example_help"), say("chat.example_note")]

    def close(self) -> None:
        """Nothing is held."""
