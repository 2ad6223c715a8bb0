"""Choosing between two answers: the event for it. What is shown is written by `marks` and `present`.

A click names a verdict and a turn; both are looked at again by the service.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from flywheel.chat import Thread
from flywheel.comparing import Comparing
from flywheel.ui.branches import pointed
from flywheel.ui.shell import PRIVATE, caller, shown


class TwoAnswers:
    """Wired inside the chat page, whose `present` shows a thread."""

    def __init__(self, comparing: Comparing, present: Callable[[gr.Request, Thread], tuple[Any, ...]]) -> None:
        self._comparing, self._present = comparing, present

    def wire(self, clicked: Any, showing: list[Any]) -> Any:
        """`clicked` tells what is clicked in the conversation. Returns the event of a choice."""
        return clicked.chosen(self.choose, outputs=showing, api_name="two_choose", **PRIVATE)

    @shown
    def choose(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Keep the choice, and go on from it."""
        verdict, _, turn_id = pointed(event).partition(" ")
        return self._present(request, self._comparing.choose(caller(request), turn_id, verdict))
