"""Prompts with their completions: what personal data and secrets they hold, and the same pairs with tags.

Pure. Knows messages as plain dictionaries, no examples and no stores.
"""

from collections.abc import Mapping, Sequence

from flywheel.redaction.redact import find, in_words, redact

Message = dict[str, str]


def private(prompt: Sequence[Mapping[str, str]], completion: str) -> str | None:
    """What a pair holds, as words without a full stop that never repeat it; None when nothing was found."""
    asked = [span for message in prompt for span in find(message["content"])]
    told = [("the prompt", in_words(asked)), ("the completion", in_words(find(completion)))]
    return " and ".join(f"{where} holds {what}" for where, what in told if what) or None


def redacted_prompt(prompt: Sequence[Mapping[str, str]]) -> list[Message]:
    """The same messages with tags."""
    return [{**message, "content": redact(message["content"]).text} for message in prompt]
