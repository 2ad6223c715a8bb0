"""The tags of the item on the review page, in a field of their own. Knows the inbox alone."""

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.inbox import Inbox
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.ui.review_place import Place, State
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire
from flywheel.words.catalogue import say


class TagPanel:
    """A line of tags; Enter stores it."""

    side: Literal["above", "below"] = "below"

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def build(self) -> Sequence[Any]:
        """One field."""
        self._box = gr.Textbox(
            label=say("review.tags"), placeholder=say("review.tags_hint"), max_lines=1, elem_id="tags"
        )
        return [self._box]

    def wire(self, place: Place) -> None:
        """Enter stores what stands in the field."""
        wire(self._box.submit, self.store, {"current": place.current, "tags": self._box}, [self._box], "review_tag")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """The tags of the item."""
        return [", ".join(item.tags) if item else ""]

    def store(self, current: State, tags: str, request: gr.Request) -> str:
        """Make the tags of the item those in the field; returns them as they are stored."""
        if not current:
            raise InvalidInput(say("suggest.no_item"))
        return ", ".join(self._inbox.set_tags(caller(request), current[0], tags.split(",")))
