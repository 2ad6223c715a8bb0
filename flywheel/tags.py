"""What a tag may be called, and how rows of files carry tags. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flywheel.errors import InvalidInput
from flywheel.words.catalogue import say

TAG = re.compile(r"[^\W_][\w .:/+-]{0,39}")

TAGS = "tags"
"""Key of a row's tags, in the formats that are JSON lines of single answers; other programs leave it alone."""
CARRY_TAGS = ("openai", "prompt-completion", "sharegpt", "alpaca", "guanaco")


def clean_tag(text: str) -> str:
    """A tag as it is stored: lower case, single blanks. Raises InvalidInput for what can be none."""
    tag = " ".join(text.split()).lower()
    if not TAG.fullmatch(tag):
        raise InvalidInput(say("error.review.no_tag", text=text[:60]))
    return tag


def tags_in(row: Mapping[str, Any], format: str) -> tuple[str, ...]:
    """The tags of a row as they are stored. Raises InvalidInput, a ValueError, for what can be none."""
    given = row.get(TAGS)
    if format not in CARRY_TAGS or not isinstance(given, list):
        return ()
    return tuple(sorted({clean_tag(str(tag)) for tag in given}))


def tagged(row: dict[str, Any], tags: Sequence[str], format: str) -> dict[str, Any]:
    """The row with its tags, where the format carries them and there are any."""
    return row | {TAGS: list(tags)} if tags and format in CARRY_TAGS else row
