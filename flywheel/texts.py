"""Texts that people send: what is too long, empty or no text at all is refused in one sentence.

Knows what can be stored and read by a model; knows no roles and no models.
"""

from flywheel.errors import InvalidInput


def check_text(text: object, what: str, most: int, *, empty: bool = False) -> str:
    """`text` itself. `what` names it ("message"), `most` is in characters; InvalidInput says what is wrong with it."""
    if not isinstance(text, str):
        raise InvalidInput(f"Your {what} is no text. Write something, then send it again.")
    if len(text) > most:
        raise InvalidInput(f"Your {what} is {len(text):,} characters long, and at most {most:,} fit. Shorten it.")
    if not empty and not text.strip():
        raise InvalidInput(f"Your {what} is empty. Write something, then send it again.")
    if "\0" in text:
        raise InvalidInput(f"Your {what} holds a null byte at position {text.index(chr(0)) + 1}. Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise InvalidInput(
            f"Your {what} holds half a character (U+{half:04X}) at position {error.start + 1}. Remove it."
        ) from error
    return text
