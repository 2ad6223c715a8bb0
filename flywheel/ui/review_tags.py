"""The tags of the item on the review page, in a field of their own. Knows the inbox alone."""

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr

from flywheel.inbox import Inbox
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.ui.review_place import Place, at_item, named
from flywheel.ui.shell import caller
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
        at_item(self._box.submit, self.store, {"seen": place.seen, "tags": self._box}, [self._box], "review_tag")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """The tags of the item."""
        return [", ".join(item.tags) if item else ""]

    def store(self, seen: str, tags: str, request: gr.Request) -> str:
        """Make the tags of the item those in the field; returns them as they are stored."""
        return ", ".join(self._inbox.set_tags(caller(request), named(seen)[0], tags.split(",")))
