"""The part of the page `/data` that sends a version to the Hub as a dataset. Only the owner's click does anything."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.publish import publication_view
from flywheel.ui.shell import caller
from flywheel.ui.watching import watched
from flywheel.ui.wiring import on_load, wire
from flywheel.words.catalogue import say


class PushBox:
    """Where to, a button, and how it went."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self, dataset: gr.Dropdown) -> None:
        """Lay the part out and wire it to the choice of a version."""
        with gr.Accordion(say("push.title"), open=False):
            with gr.Row():
                repo = gr.Textbox(
                    label=say("push.repository"),
                    value=self._services.dataset_push.default_repo,
                    placeholder=say("push.hint"),
                    elem_id="push-repo",
                )
                public = gr.Checkbox(label=say("publish.public"), value=False, elem_id="push-public")
            push = gr.Button(say("push.push"), elem_id="push")
            pushed = gr.HTML(elem_id="pushed")
            before = gr.HTML(elem_id="pushes")
        given = {"dataset": dataset, "repo": repo, "public": public}
        wire(push.click, self.push, given, [pushed, before], "data_push")
        on_load(self.pushes, {}, [before], "data_pushes")

    def pushes(self, request: gr.Request) -> str:
        """What was sent before."""
        history = self._services.dataset_push.history(caller(request))
        return publication_view(None, history, self._services.settings.hub_endpoint)

    def push(self, dataset: str | None, repo: str, public: bool, request: gr.Request) -> Iterator[tuple[str, Any]]:
        """Send the version that is chosen under “Rows of”."""
        if not dataset:
            raise InvalidInput(say("push.none_chosen"))
        work = self._services.dataset_push.push(caller(request), dataset, repo or None, public=bool(public))
        yield from watched(
            work,
            lambda pushed: (markup.note(pushed.words, "good"), self.pushes(request)),
            put=lambda shown: (shown, gr.skip()),
        )
