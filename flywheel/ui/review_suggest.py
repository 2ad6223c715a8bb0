"""The panel of the review page that asks for a draft of the answer, and shows it as a diff. Nothing is decided by it.

Formats and calls one service method a handler.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.suggestions import Suggestion, Suggestions
from flywheel.ui import markup
from flywheel.ui.review_place import Place, State
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire
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
        self._text = gr.State("")
        self._take = gr.Button(say("suggest.take"), visible=False, elem_id="suggest-take")
        return [about, self._draft, self._text, self._take]

    def wire(self, place: Place) -> None:
        """Tie its events."""
        shown = [self._draft, self._text, self._take]
        wire(self._ask.click, self.ask, {"current": place.current}, shown, "suggest_ask")
        wire(self._take.click, self.take, {"text": self._text}, [place.completion], "suggest_take")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """Who would be asked, and what they would be sent."""
        where = "teacher" if self._suggestions.leaves_the_house else "version"
        words = say(f"suggest.by.{where}", name=self._suggestions.drafter(who))
        return f"<small>{escape(words)}</small>", "", "", gr.Button(visible=False)

    def ask(self, current: State, request: gr.Request) -> tuple[str, str, Any]:
        """Have a draft made."""
        if not current:
            raise InvalidInput(say("suggest.no_item"))
        made = self._suggestions.draft(caller(request), current[0])
        return suggestion_view(made), made.text, gr.Button(visible=bool(made.diff))

    def take(self, text: str, request: gr.Request) -> str:
        """Put the draft into the box, where it can be changed; nothing is decided."""
        caller(request)
        return text


def suggestion_view(made: Suggestion) -> str:
    """The draft against what is proposed now."""
    if not made.diff:
        return markup.note(say("suggest.same", name=made.by))
    problem = markup.note(say("suggest.problem", problem=made.problem), "warn") if made.problem else ""
    return f"<h4>{say('suggest.heading')}</h4>" + markup.diff(made.diff) + problem
