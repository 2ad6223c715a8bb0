"""What the limits for guests noticed of an item, as a section of it. Pure; knows no service."""

from flywheel.items import Item
from flywheel.ui import markup
from flywheel.words.catalogue import say


def noticed(item: Item) -> str:
    """Each thing a reviewer should know first, and what follows from it."""
    if not item.flags:
        return ""
    return markup.note(say("review.look_twice", found="; ".join(item.flags)), "warn")
