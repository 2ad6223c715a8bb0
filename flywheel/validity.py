"""What a valid example is: one function, asked at approval, at import and at freezing.

Pure. Knows the limits of the chosen base as plain values; what a completion means is its task's matter, not this one's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flywheel.words.catalogue import say

Message = dict[str, str]
Counter = Callable[[list[Message], str], int]


class Texts(Protocol):
    """The base's tokenizer for many conversations."""

    def counts(self, conversations: Sequence[Sequence[Message]]) -> list[int]:
        """Tokens of each, as a trainer renders it."""

    def at_most(self, messages: Sequence[Message]) -> int | None:
        """Tokens at most, without counting; None where there is no such bound."""

    def pieces(self, prompt: Sequence[Message], completion: str) -> list[tuple[str, bool]]:
        """Text of each token, and whether it is trained."""


@dataclass(frozen=True)
class Rules:
    """What the chosen base takes."""

    control_tokens: tuple[str, ...] = ()
    """Tokens that steer the model (`<|im_end|>`); no completion may contain one."""
    max_tokens: int | None = None
    """Longest row in tokens, prompt and completion rendered; None: unknown, nothing is refused for its length."""
    count: Counter | None = None
    """Tokens of a prompt with its completion, rendered for the base."""
    texts: Texts | None = None
    """The same for many at once; None where the tokenizer is elsewhere."""


def problem(
    prompt: Sequence[Mapping[str, Any]],
    completion: Any,
    rules: Rules,
    sent: Callable[[list[Message]], list[Message]] = list,
) -> str | None:
    """Why this pair cannot be trained on, as words without a full stop; None when it can.

    `sent` gives what the model is sent for a prompt: that is what has to fit.
    """
    return (
        _prompt_problem(prompt)
        or _completion_problem(completion, rules.control_tokens)
        or _length_problem(sent([dict(message) for message in prompt]), completion, rules)
    )


def surely_within(tokens: int, prompt: Sequence[Message], completion: str, rules: Rules) -> bool:
    """Whether a row has no more tokens than this, as far as that is known without counting.

    Most rows are far from any limit, and counting them all would take longer than everything else.
    """
    if rules.texts is None:
        return False
    bound = rules.texts.at_most([*prompt, {"role": "assistant", "content": completion}])
    return bound is not None and bound <= tokens


def _prompt_problem(prompt: Sequence[Mapping[str, Any]]) -> str | None:
    if not prompt:
        return say("invalid.prompt_empty")
    for number, message in enumerate(prompt, 1):
        if found := _text_problem(message.get("content"), say("invalid.message", number=number)):
            return found
    return _order_problem([str(message.get("role")) for message in prompt])


def _order_problem(roles: Sequence[str]) -> str | None:
    """A system message may come first; then user and assistant take turns, beginning and ending with the user."""
    if "user" not in roles:
        return say("invalid.no_user")
    first = 1 if roles[0] == "system" else 0
    for number, role in enumerate(roles[first:]):
        expected = "assistant" if number % 2 else "user"
        if role != expected:
            return say("invalid.wrong_turn", number=first + number + 1, role=role, expected=expected)
    if roles[-1] != "user":
        return say("invalid.ends_wrong")
    return None


def _completion_problem(completion: Any, control_tokens: Sequence[str]) -> str | None:
    if found := _text_problem(completion, say("invalid.completion")):
        return found
    if token := next((token for token in control_tokens if token and token in completion), None):
        return say("invalid.control_token", token=token)
    return None


def _text_problem(text: Any, name: str) -> str | None:
    if not isinstance(text, str):
        return say("invalid.no_text", name=name, kind=_kind(text))
    if not text.strip():
        return say("invalid.empty", name=name) if not text else say("invalid.blank", name=name)
    if "\0" in text:
        return say("invalid.null", name=name)
    try:
        text.encode()
    except UnicodeEncodeError:
        return say("invalid.half_character", name=name)
    return None


def _length_problem(prompt: list[Message], completion: str, rules: Rules) -> str | None:
    if rules.count is None or rules.max_tokens is None:
        return None
    if surely_within(rules.max_tokens, prompt, completion, rules):
        return None
    tokens = rules.count(prompt, completion)
    if tokens > rules.max_tokens:
        return say("invalid.too_long", tokens=f"{tokens:,}", most=f"{rules.max_tokens:,}")
    return None


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "truth", int: "number", float: "number", list: "list"}
    return say(f"invalid.kind.{kinds.get(type(value), 'object')}")
