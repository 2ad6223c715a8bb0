"""How every page looks and behaves before it has content: theme, styles, and what stands in the head.

Knows no page. What the page library's markup lacks is mended by `head.js`; `live.js` shows an answer while it is
written, `review.js` is the keys of one page.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from flywheel.words.catalogue import language, say

HERE = Path(__file__).parent
FRAME, SCRIPTS = HERE / "frame.css", (HERE / "head.js", HERE / "live.js", HERE / "review.js")
STYLES = [HERE / "style.css", HERE / "working.css"]
RED, DARK_RED = "#b91c1c", "#991b1b"


def look() -> dict[str, Any]:
    """Theme, style and head, as arguments of `launch`."""
    return {"theme": _theme(), "css_paths": STYLES, "head": _head()}


def _head() -> str:
    words = {
        "language": language(),
        "examples": say("chat.examples"),
        "writing": say("chat.answer_begins"),
        "ready": say("chat.answer_ready"),
        "early": say("review.early", count="{count}"),
    }
    # No tag can end the script: `<` is written as an escape.
    told = json.dumps(words).replace("<", "\\u003c")
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    style = FRAME.read_text(encoding="utf-8")
    return f"<style>{style}</style><script>window.fwWords = {told};\n{scripts}</script>"


def _theme() -> Any:
    mono = ["ui-monospace", "Consolas", "monospace"]
    return gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=mono,
    ).set(
        # White on these reads at 6 : 1 and better.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_cancel_background_fill=RED,
        button_cancel_background_fill_hover=DARK_RED,
        button_cancel_background_fill_dark=RED,
        button_cancel_background_fill_hover_dark=DARK_RED,
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
