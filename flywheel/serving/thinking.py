"""What a reasoning model writes before its answer, told apart from the answer.

Such a model puts its thoughts between tags at the start of what it writes. They may be without their end (the answer
was cut), or without their beginning (the model's own template wrote it). Tags further on are part of the answer:
somebody may ask about them. Pure; knows no model.
"""

import re
from dataclasses import dataclass

TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}
OPEN, CLOSE = "<think>", "</think>"
"""The pair in which thoughts are written that a server sends apart."""
_FENCED = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_CLOSED_ALONE = re.compile(rf"^[ \t]*(?:{'|'.join(map(re.escape, TAGS.values()))})[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """What a model wrote, in two parts."""

    text: str
    """The answer. Without thoughts, all that was written, sign by sign."""
    thinking: str
    """The thoughts; empty when there are none."""


def parted(written: str, *, prompt: str = "", growing: bool = False) -> Said:
    """The answer and the thoughts in what a model wrote after `prompt`, the text it read where that is known.

    `growing`: more is to come, so that a beginning which may become a tag is not shown yet.
    """
    thoughts, rest = [], written
    opened = next((tag for tag in TAGS if prompt.rstrip().endswith(tag)), None)
    if opened is not None and not _tag_of(rest):
        inner, _, rest = rest.partition(TAGS[opened])
        thoughts.append(inner)
    while tag := _tag_of(rest):
        inner, _, rest = rest.lstrip()[len(tag) :].partition(TAGS[tag])
        thoughts.append(inner)
    if not thoughts:
        thoughts, rest = _closed_alone(rest)
    if growing and _may_become_tag(rest):
        rest = ""
    if not thoughts:
        return Said(rest, "")
    return Said(rest.lstrip(), "\n\n".join(thought.strip() for thought in thoughts if thought.strip()))


def _tag_of(text: str) -> str | None:
    """The tag that a text begins with."""
    bare = text.lstrip()
    return next((tag for tag in TAGS if bare.startswith(tag)), None)


def _may_become_tag(text: str) -> bool:
    bare = text.lstrip()
    return bool(bare) and any(tag.startswith(bare) for tag in TAGS)


def _closed_alone(text: str) -> tuple[list[str], str]:
    """Thoughts whose beginning nobody told: up to a closing tag on a line of its own, outside of code."""
    code = [found.span() for found in _FENCED.finditer(text)]
    for found in _CLOSED_ALONE.finditer(text):
        if not any(start <= found.start() < end for start, end in code):
            return [text[: found.start()]], text[found.end() :]
    return [], text
