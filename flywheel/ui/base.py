"""The part of `/versions` that tells on whose terms: the base model, its licence and the texts that came with it.

What is not stated in the base's own files is said to be unknown; nothing is guessed.
"""

from html import escape
from pathlib import Path

import gradio as gr

from flywheel.base_model import BaseRecord
from flywheel.errors import PUBLIC
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import on_load
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

SHORT = 24
MOST_TEXT = 20_000
"""Characters of one licence text that are shown."""


class BasePanel:
    """Shows the base that every version here is made of."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the panel."""
        with gr.Accordion(say("base.title"), open=False):
            record = gr.HTML(elem_id="base")
        on_load(self.show, {}, [record], "versions_base")

    def show(self, request: gr.Request) -> str:
        """The record of the base, or why there is none yet."""
        try:
            return base_view(self._services.versions.base(caller(request)))
        except PUBLIC as error:
            return markup.note(words_of(error))


def base_view(record: BaseRecord) -> str:
    """Name, weights and licence, then each text that came with it, folded."""
    unknown = say("base.unknown")
    licence = record.licence or unknown
    if record.licence_name:
        licence = f"{licence} ({record.licence_name})"
    pairs = [
        (say("base.name"), record.name),
        (say("base.revision"), _short(record.revision) if record.revision else unknown),
        (say("base.architecture"), record.architecture),
        (say("base.parameters"), f"{record.parameters:,}"),
        (say("base.licence"), licence),
    ]
    ask = "" if record.licence else markup.note(say("base.ask"), "warn")
    return markup.facts(pairs) + ask + "".join(_text(path) for path in record.licence_files)


def _short(revision: str) -> str:
    """Enough of it to compare; a phone has no room for more."""
    return revision if len(revision) <= SHORT else f"{revision[:SHORT]}…"


def _text(path: Path) -> str:
    words = path.read_text(encoding="utf-8", errors="replace")
    more = "\n…" if len(words) > MOST_TEXT else ""
    return f"<details><summary>{escape(path.name)}</summary>{markup.code(words[:MOST_TEXT] + more)}</details>"
