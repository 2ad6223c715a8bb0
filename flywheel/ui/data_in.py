"""The part of the page `/data` that brings rows in: a file, dropped or chosen, or a dataset on the Hub, with progress.

Calls one service each; what a row is, and which are good, is the import's matter.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.hub_import import SUFFIXES, importing_from_hub, named
from flywheel.imports import ImportReport, importing_upload
from flywheel.services import Services
from flywheel.splitting import SIDES
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.watching import watched
from flywheel.ui.wiring import wire
from flywheel.words.catalogue import say

BY_HASH = ""


class ImportBox:
    """A file or a dataset's name, how its rows come in, and what became of them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> Callable[[Callable[..., Any], list[Any]], list[Any]]:
        """Lay the part out; returns what wires it to the page's refresh, and with that its last events."""
        with gr.Accordion(say("import.title"), open=False):
            label, sides = say("import.file"), [(say("data.by_hash"), BY_HASH)]
            sides += [(say(f"data.side.{side}"), side) for side in SIDES]
            upload = gr.File(label=label, file_types=list(SUFFIXES), elem_id="import-file")
            split = gr.Radio(label=say("data.one_side"), choices=sides, value=BY_HASH, elem_id="import-side")
            approved = gr.Checkbox(label=say("import.approved"), elem_id="import-approved")
            bring = gr.Button(say("import.title"), elem_id="import")
            repo = gr.Textbox(label=say("import.repo"), placeholder=say("import.repo_hint"), elem_id="import-repo")
            fetch = gr.Button(say("import.from_hub"), elem_id="import-hub")
            brought = gr.HTML(elem_id="imported")

        def wired(refresh: Callable[..., Any], fresh: list[Any]) -> list[Any]:
            how = {"split": split, "approved": approved}
            file = wire(bring.click, self.bring, {"upload": upload, **how}, [brought], "data_import")
            hub = wire(fetch.click, self.fetch, {"repo": repo, **how}, [brought], "data_import_hub")
            return [
                wire(event.success, refresh, {}, fresh, f"data_import_{name}_after", quiet=True)
                for event, name in ((file, "file"), (hub, "hub"))
            ]

        return wired

    def bring(self, upload: str | None, split: str, approved: bool, request: gr.Request) -> Iterator[str]:
        """Take an uploaded file in."""
        if not upload:
            raise InvalidInput(say("import.no_file"))
        path = Path(upload)
        how: dict[str, Any] = {"split": split or None, "approved": approved}
        work = importing_upload(self._services.importer, caller(request), path, **how)
        words = say("import.going", file=path.name)
        yield from watched(work, import_view, step=lambda part: markup.progress_bar(part, words))

    def fetch(self, repo: str, split: str, approved: bool, request: gr.Request) -> Iterator[str]:
        """Take the files of a dataset on the Hub in."""
        found = named(repo.strip())
        if found is None:
            raise InvalidInput(say("import.no_name", given=repo[:80]))
        side = split or None
        services = self._services
        work = importing_from_hub(
            services.hub, services.importer, caller(request), *found, split=side, approved=approved
        )
        yield from watched(work, imports_view)


def imports_view(reports: Sequence[tuple[str, ImportReport]]) -> str:
    """What came of each file."""
    return "".join(f"<h4>{markup.cell(path)}</h4>{import_view(report)}" for path, report in reports)


def import_view(report: ImportReport) -> str:
    """What an import took, and each bad row with its line."""
    kind = "good" if report.added else "warn"
    words = say("import.done", added=report.added, known=report.duplicates, bad=len(report.bad))
    rows = [[line, markup.Sentence(reason)] for line, reason in report.bad]
    return markup.note(words, kind) + (markup.table([say("import.line"), say("import.reason")], rows) if rows else "")
