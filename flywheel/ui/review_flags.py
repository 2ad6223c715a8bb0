"""What the limits for guests noticed of an item, as a section of it. Pure; knows no service."""

from flywheel.items import Item
from flywheel.ui import markup


def noticed(item: Item) -> str:
    """Each thing a reviewer should know first, and what follows from it."""
    if not item.flags:
        return ""
    told = "; ".join(item.flags)
    rest = "What is not seen or repeated by many is left out of a dataset, unless it is approved with a reason."
    return markup.note(f"Look twice: {told}. {rest}", "warn")
