"""The keys of the review page as words for a person; `review.js` does what they say."""

from html import escape

from flywheel.words.catalogue import say

HELP = (
    ("j, k", "step"),
    ("a", "approve"),
    ("e", "edit"),
    ("x", "redact"),
    ("r", "reject"),
    ("s", "skip"),
    ("u", "undo"),
    ("t", "tag"),
    ("p", "pin"),
    ("/", "search"),
    ("?", "help"),
)
"""Keys, and `review.key.<name>` in the catalogue."""


def help_view() -> str:
    """The list of keys, folded away."""
    rows = "".join(
        f"<div><dt><kbd>{keys}</kbd></dt><dd>{escape(say(f'review.key.{name}'))}</dd></div>" for keys, name in HELP
    )
    return f'<details><summary>{escape(say("review.keys"))}</summary><dl class="fw-facts fw-keys">{rows}</dl></details>'
