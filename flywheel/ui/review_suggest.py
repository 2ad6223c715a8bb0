"""The panel of the review page that asks for a draft of the answer, and shows it as a diff. Nothing is decided by it.

Formats and calls one service method a handler.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import gradio as gr

from flywheel.errors import Conflict
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.suggestions import Suggestion, Suggestions
from flywheel.ui import markup
from flywheel.ui.review_place import Place, at_item, named
from flywheel.ui.shell import caller
from flywheel.words.catalogue import say


class SuggestPanel:
    """A draft for the open item."""

    side: Literal["above", "below"] = "above"

    def __init__(self, suggestions: Suggestions) -> None:
        self._suggestions = suggestions

    def build(self) -> Sequence[Any]:
        """Lay it out; the components that change with the item."""
        with gr.Row(elem_classes="fw-bottom"):
            self._ask = gr.Button(say("suggest.ask"), scale=0, min_width=120, elem_id="suggest")
            about = gr.HTML(elem_id="suggest-about")
        self._draft = gr.HTML(elem_id="suggestion")
        self._text = gr.State(None)
        self._take = gr.Button(say("suggest.take"), visible=False, elem_id="suggest-take")
        return [about, self._draft, self._text, self._take]

    def wire(self, place: Place) -> None:
        """Tie its events."""
        shown = [self._draft, self._text, self._take]
        at_item(self._ask.click, self.ask, {"seen": place.seen}, shown, "suggest_ask")
        given = {"seen": place.seen, "drafted": self._text}
        at_item(self._take.click, self.take, given, [place.completion], "suggest_take")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """Who would be asked, and what they would be sent."""
        where = "teacher" if self._suggestions.leaves_the_house else "version"
        words = say(f"suggest.by.{where}", name=self._suggestions.drafter(who))
        return f"<small>{escape(words)}</small>", "", None, gr.Button(visible=False)

    def ask(self, seen: str, request: gr.Request) -> tuple[str, tuple[str, str], Any]:
        """Have a draft made."""
        example_id, _ = named(seen)
        made = self._suggestions.draft(caller(request), example_id)
        return suggestion_view(made), (example_id, made.text), gr.Button(visible=bool(made.diff))

    def take(self, seen: str, drafted: tuple[str, str] | None, request: gr.Request) -> str:
        """Put the draft into the box, where it can be changed; nothing is decided. A draft may come after the reviewer
        has gone on: it is not put into another item's box."""
        caller(request)
        example_id, text = drafted or ("", "")
        if named(seen)[0] != example_id:
            raise Conflict(say("suggest.other_item"))
        return text


def suggestion_view(made: Suggestion) -> str:
    """The draft against what is proposed now."""
    if not made.diff:
        return markup.note(say("suggest.same", name=made.by))
    problem = markup.note(say("suggest.problem", problem=made.problem), "warn") if made.problem else ""
    return f"<h4>{say('suggest.heading')}</h4>" + markup.diff(made.diff) + problem
