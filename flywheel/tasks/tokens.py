"""Control tokens in a person's text: made visible, so that the model reads them as letters.

A tokenizer turns texts such as `<|im_start|>` into the very ids that mark turns, whoever wrote them. What is stored
stays as typed; only what a model sees goes through here. Knows no tokenizer: it is given the texts.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

OPENING, CLOSING = "‹", "›"


def neutralise(text: str, tokens: Iterable[str]) -> str:
    """`text` with every control token in a visible form that is none: `<|im_start|>` becomes `‹|im_start|›`."""
    pattern = _pattern(tuple(tokens))
    return pattern.sub(lambda found: _visible(found.group()), text) if pattern else text


def neutralise_messages(messages: Sequence[dict[str, str]], tokens: Iterable[str]) -> list[dict[str, str]]:
    """The same messages; system messages are the owner's own and stay as they are."""
    known = tuple(tokens)
    return [m if m["role"] == "system" else {**m, "content": neutralise(m["content"], known)} for m in messages]


@lru_cache(maxsize=64)
def _pattern(tokens: tuple[str, ...]) -> re.Pattern[str] | None:
    """Any of the tokens, the longest first; None where there is none."""
    alternatives = sorted({token for token in tokens if len(token) > 1}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, alternatives))) if alternatives else None


def _visible(token: str) -> str:
    bracketed = token[0] in "<[" and token[-1] in ">]"
    # A token without brackets has its letters set apart, else it would still stand inside the new ones.
    return OPENING + (token[1:-1] if bracketed else "·".join(token)) + CLOSING
