"""The part of the page `/data` that has a teacher model write pairs: from what, how many, the prompt, how it went.

The rows wait for review like any other; nothing is approved here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from flywheel.services import Services
from flywheel.synthesis import MOST_DOCUMENT, MOST_DOCUMENTS, Made, Wish
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.watching import watched
from flywheel.ui.wiring import wire
from flywheel.words.catalogue import say

TEXTS = (".txt", ".md", ".rst", ".csv", ".html", ".json", ".text")


class SynthesisBox:
    """A source, a count, budgets and a prompt that can be looked at and changed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay the part out and wire it."""
        teacher = self._services.synthesis.teacher
        with gr.Accordion(say("synthesis.title"), open=False):
            gr.Markdown(say("synthesis.by", teacher=teacher) if teacher else say("synthesis.no_teacher"))
            with gr.Column(visible=bool(teacher)):
                has_tables = self._services.task.name == "sql"
                names = ("rows", "schema", "documents") if has_tables else ("rows", "documents")
                sources = [(say(f"synthesis.from_{name}"), name) for name in names]
                source = gr.Radio(
                    label=say("synthesis.source"), choices=sources, value="rows", elem_id="synthesis-source"
                )
                limits = {"count": MOST_DOCUMENTS, "size": f"{MOST_DOCUMENT / 1e6:.0f}"}
                documents = gr.File(
                    label=say("synthesis.documents", **limits),
                    file_count="multiple",
                    file_types=list(TEXTS),
                    visible="hidden",
                    elem_id="synthesis-documents",
                )
                with gr.Row():
                    count = gr.Number(
                        label=say("synthesis.count"), value=20, minimum=1, precision=0, elem_id="synthesis-count"
                    )
                    calls = gr.Number(
                        label=say("synthesis.calls"), value=20, minimum=1, precision=0, elem_id="synthesis-calls"
                    )
                show = gr.Button(say("synthesis.show"), elem_id="synthesis-show")
                prompt = gr.Textbox(
                    label=say("synthesis.prompt"), placeholder=say("synthesis.prompt_hint"), lines=3, elem_id="prompt"
                )
                make = gr.Button(say("synthesis.write"), elem_id="synthesize")
                made = gr.HTML(elem_id="synthesized")
        wire(source.change, self.choose, {"source": source}, [documents], "data_synthesis_source", quiet=True)
        wire(show.click, self.show, {"source": source}, [prompt], "data_synthesis_prompt")
        wish = {"source": source, "documents": documents, "count": count, "calls": calls, "prompt": prompt}
        wire(make.click, self.make, wish, [made], "data_synthesize")

    def show(self, source: str, request: gr.Request) -> str:
        """The prompt of a source, to be looked at and changed."""
        return self._services.synthesis.prompt(caller(request), source)

    def choose(self, source: str, request: gr.Request) -> Any:
        """Files are asked for where pairs are made from documents."""
        caller(request)
        return gr.File(visible=True if source == "documents" else "hidden")

    def make(
        self,
        source: str,
        documents: Sequence[str] | None,
        count: float,
        calls: float,
        prompt: str,
        request: gr.Request,
    ) -> Iterator[str]:
        """Have pairs written."""
        named = tuple(documents or ()) if source == "documents" else ()
        wish = Wish(source, int(count or 0), documents=named, calls=int(calls or 0), prompt=prompt or None)
        work = self._services.synthesis.make(caller(request), wish)
        yield from watched(work, made_view)


def made_view(made: Made) -> str:
    """What a run made, what it cost, and why pairs are no rows."""
    words = say("synthesis.made", added=made.added, calls=made.calls, tokens=f"{made.tokens:,}")
    head = markup.note(words, "good" if made.added else "warn")
    head += (
        markup.note(say("synthesis.ended", why=made.stopped), "bad" if made.failed else "warn") if made.stopped else ""
    )
    rows = [[count, markup.Sentence(reason)] for reason, count in made.left_out.items()]
    return head + (markup.table([say("synthesis.pairs"), say("data.column.left_out_because")], rows) if rows else "")
