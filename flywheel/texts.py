"""Texts that people send: what is too long, empty or no text at all is refused in one sentence; how they are quoted.

Knows what can be stored and read by a model; knows no roles and no models.
"""

import unicodedata

from flywheel.errors import InvalidInput
from flywheel.words.catalogue import say

UNSEEN = ("Cc", "Cs", "Zl", "Zp")
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the direction of what follows, so that a line reads as what it is not."""


def check_text(text: object, what: str, most: int, *, empty: bool = False) -> str:
    """`text` itself. `what` is its name in the catalogue under `text`, `most` is in characters.

    Raises InvalidInput, which says what is wrong with it.
    """
    if not isinstance(text, str):
        raise InvalidInput(say("error.text.none", what=_named(what)))
    if len(text) > most:
        raise InvalidInput(say("error.text.too_long", what=_named(what), count=f"{len(text):,}", most=f"{most:,}"))
    if not empty and not text.strip():
        raise InvalidInput(say("error.text.empty", what=_named(what)))
    if "\0" in text:
        raise InvalidInput(say("error.text.null", what=_named(what), place=text.index(chr(0)) + 1))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise InvalidInput(
            say("error.text.half", what=_named(what), half=f"{half:04X}", place=error.start + 1)
        ) from error
    return text


def _named(what: str) -> str:
    return say(f"text.{what}")


def escaped(text: str, keep: str = "\n\t") -> str:
    """The text with every character that steers a terminal or a line written as its escape, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(one if one in keep or not steers(one) else _escape(one) for one in text)


def steers(character: str) -> bool:
    """Whether it is no sign but an order: a control character, half a character, a turn of direction."""
    return unicodedata.category(character) in UNSEEN or character in TURNING


def _escape(character: str) -> str:
    return ascii(character)[1:-1]
