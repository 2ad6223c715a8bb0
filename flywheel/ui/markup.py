"""Small pieces of markup that several pages share: tables, notes, diffs. Pure text in, escaped HTML out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from flywheel.words.catalogue import say

Cell = Any
WIDE = 28
"""Characters from which a column is given room to wrap in, on a phone too."""
KINDS = {"same": "span", "removed": "del", "added": "ins"}


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Sentence:
    """A cell that is a message."""

    text: str

    def __str__(self) -> str:
        return self.text


def note(text: str, kind: str = "info") -> str:
    """A boxed sentence; `kind` is info, good, warn or bad. Empty text gives no box."""
    return f'<div class="fw-note fw-{kind}" role="status">{sentence(text)}</div>' if text else ""


def sentence(text: str) -> str:
    """A sentence whose names and values stand between backticks, as everywhere in messages."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def notes(lines: Iterable[str], kind: str = "info") -> str:
    """A boxed list of sentences."""
    items = "".join(f"<li>{sentence(line)}</li>" for line in lines)
    return f'<div class="fw-note fw-{kind}" role="status"><ul>{items}</ul></div>' if items else ""


def cell(value: Cell) -> str:
    """One value as text; NULL is shown as such, so that it is not taken for an empty text."""
    if isinstance(value, Link):
        return f'<a href="{escape(value.href)}">{escape(value.text)}</a>'
    if isinstance(value, Sentence):
        return sentence(value.text)
    return '<span class="fw-null">NULL</span>' if value is None else escape(str(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str = "", limit: int = 50) -> str:
    """A table that scrolls sideways in its own box. At most `limit` rows; says how many there are in all."""
    wide = [any(len(str(row[i])) > WIDE for row in rows[:limit]) for i in range(len(columns))]
    kinds = [' class="fw-wide"' if is_wide else "" for is_wide in wide]
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell(v)}</td>" for kind, v in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows[:limit]
    )
    more = f"<p>{say('words.first_of', limit=limit, count=len(rows))}</p>" if len(rows) > limit else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="fw-table" tabindex="0"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}"
    )


def diff(parts: Sequence[tuple[str, str]]) -> str:
    """A word diff: what is removed and what is added are marked by element, not by colour alone."""
    inner = "".join(f"<{KINDS[op]}>{escape(text)}</{KINDS[op]}>" for op, text in parts)
    return f'<div class="fw-diff">{inner}</div>'


def code(text: str) -> str:
    """Text as it is, in a block that keeps its lines."""
    return f'<pre class="fw-code">{escape(text)}</pre>'


def plain(name: str) -> str:
    """The name of a file as people would write it."""
    return name.replace("_", " ")


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Name and value pairs as a definition list."""
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in pairs)
    return f'<dl class="fw-facts">{inner}</dl>'


def empty(text: str, link: tuple[str, str] | None = None) -> str:
    """An empty state: one sentence and, where there is one, the next step as a link."""
    step = f' <a href="{escape(link[1])}">{escape(link[0])}</a>' if link else ""
    return f'<div class="fw-empty">{escape(text)}{step}</div>'


def progress_bar(fraction: float, words: str) -> str:
    """A bar from 0 to 1 with its words."""
    percent = round(100 * min(1.0, max(0.0, fraction)))
    return (
        f'<div class="fw-progress" role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-label="{escape(words)}"><i style="width:{percent}%"></i></div>'
        f'<p class="fw-progress-words">{escape(words)}</p>'
    )
