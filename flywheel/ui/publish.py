"""The part of `/versions` that publishes: where to, a button, how far it is, and what was published before.

What it shows is read from the service and the store each time, so a reload and a second viewer see the same.
"""

from typing import Any
from urllib.parse import quote

import gradio as gr

from flywheel.publishing import Progress
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import on_load, wire
from flywheel.words.catalogue import say
from storage.publications import Publication

KINDS = {"running": "info", "published": "good", "unchanged": "info", "failed": "bad"}
SHOWN = 10
COLUMNS = ("version", "repository", "state", "commit", "tag", "when", "by", "told")


class PublishPanel:
    """Publishes the version chosen on the page."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self, version: gr.Dropdown) -> None:
        """Lay out the panel and wire it to the choice of a version."""
        with gr.Accordion(say("publish.title"), open=False):
            with gr.Row():
                repo = gr.Textbox(
                    label=say("publish.repository"),
                    value=self._services.publishing.default_repo,
                    placeholder=say("publish.hint"),
                    elem_id="publish-repo",
                )
                public = gr.Checkbox(label=say("publish.public"), value=False, elem_id="publish-public")
            publish = gr.Button(say("publish.publish"), elem_id="publish")
        status = gr.HTML(elem_id="publication")
        timer = gr.Timer(1.0)
        order = {"version": version, "repo": repo, "public": public}
        wire(publish.click, self.publish, order, [status, publish], "versions_publish")
        on_load(self.watch, {}, [status, publish], "versions_publication")
        wire(timer.tick, self.watch, {}, [status, publish], "versions_publication_tick", quiet=True)

    def publish(self, version: str | None, repo: str, public: bool, request: gr.Request) -> tuple[str, Any]:
        """Begin to publish the chosen version."""
        from flywheel.ui.versions import chosen

        self._services.publishing.start(caller(request), chosen(version), repo or None, public=bool(public))
        return self.watch(request)

    def watch(self, request: gr.Request) -> tuple[str, Any]:
        """The publication at hand, and those before it."""
        who, publishing = caller(request), self._services.publishing
        progress = publishing.progress(who)
        busy = progress is not None and progress.state == "running"
        shown = publication_view(progress, publishing.history(who), self._services.settings.hub_endpoint)
        return shown, gr.Button(interactive=not busy)


def publication_view(progress: Progress | None, history: list[Publication], hub: str) -> str:
    """What goes on or how it ended, then every attempt, newest first; a tag leads to it at `hub`, the Hub's address."""
    note = ""
    if progress is not None:
        done = "" if progress.fraction is None else f", {progress.fraction:.0%}"
        note = markup.note(f"{progress.words}{done}", KINDS[progress.state])
    if not history:
        return note
    at_hand = progress is not None and progress.state == "running"
    rows = [_row(one, at_hand and number == 0, hub) for number, one in enumerate(history[:SHOWN])]
    columns = [say(f"publish.column.{name}") for name in COLUMNS]
    return note + markup.table(columns, rows, say("publish.history"))


def _row(one: Publication, at_hand: bool, hub: str) -> list[object]:
    state, told = one.state, one.reason or ""
    if state == "started":
        state = "running" if at_hand else "interrupted"
        told = "" if at_hand else say("publish.again")
    when = f"{one.ended or one.created:%Y-%m-%d %H:%M}"
    where = f"{hub}/datasets" if one.is_dataset else hub
    tag = markup.Link(one.tag, f"{where}/{quote(one.repo)}/tree/{quote(one.tag)}") if one.tag else ""
    return [one.version, one.repo, state, (one.commit or "")[:12], tag, when, one.by, told]
