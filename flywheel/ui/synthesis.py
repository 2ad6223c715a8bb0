"""The part of the page `/data` that has a teacher model write pairs: from what, how many, the prompt, how it went.

The rows wait for review like any other; nothing is approved here.
"""

from collections.abc import Iterator

import gradio as gr

from flywheel.services import Services
from flywheel.synthesis import Made, Wish
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import wire


class SynthesisBox:
    """A source, a count, budgets and a prompt that can be looked at and changed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay the part out and wire it."""
        teacher = self._services.synthesis.teacher
        with gr.Accordion("Synthetic pairs", open=False):
            gr.Markdown(
                f"`{teacher}` writes pairs, which then wait for review. Personal data with a form (e-mail, phone, key) "
                "are replaced before anything is sent; names and addresses are not found."
                if teacher
                else "A teacher model can write pairs that then wait for review. Set `FLYWHEEL_TEACHER_MODEL` and "
                "`FLYWHEEL_TEACHER_BASE_URL`, then start Flywheel again."
            )
            with gr.Column(visible=bool(teacher)):
                has_tables = self._services.task.name == "sql"
                sources = [("approved rows", "rows"), *([("the tables", "schema")] if has_tables else [])]
                source = gr.Radio(label="From", choices=sources, value="rows", elem_id="synthesis-source")
                with gr.Row():
                    count = gr.Number(label="Rows in all", value=20, minimum=1, precision=0, elem_id="synthesis-count")
                    calls = gr.Number(
                        label="Most requests", value=20, minimum=1, precision=0, elem_id="synthesis-calls"
                    )
                show = gr.Button("Show the prompt", elem_id="synthesis-show")
                prompt = gr.Textbox(label="Prompt", placeholder="as it stands in its file", lines=3, elem_id="prompt")
                make = gr.Button("Write pairs", elem_id="synthesize")
                made = gr.HTML(elem_id="synthesized")
        wire(show.click, self.show, {"source": source}, [prompt], "data_synthesis_prompt")
        wish = {"source": source, "count": count, "calls": calls, "prompt": prompt}
        wire(make.click, self.make, wish, [made], "data_synthesize")

    def show(self, source: str, request: gr.Request) -> str:
        """The prompt of a source, to be looked at and changed."""
        return self._services.synthesis.prompt(caller(request), source)

    def make(self, source: str, count: float, calls: float, prompt: str, request: gr.Request) -> Iterator[str]:
        """Have pairs written."""
        wish = Wish(source, int(count or 0), calls=int(calls or 0), prompt=prompt or None)
        work = self._services.synthesis.make(caller(request), wish)
        while True:
            try:
                words, fraction = next(work)
            except StopIteration as done:
                yield made_view(done.value)
                return
            yield markup.progress_bar(fraction or 0.0, words)


def made_view(made: Made) -> str:
    """What a run made, what it cost, and why pairs are no rows."""
    words = f"{made.added} rows wait for review; {made.calls} requests, {made.tokens:,} tokens."
    head = markup.note(words, "good" if made.added else "warn")
    head += markup.note(f"It ended early: {made.stopped}", "bad" if made.failed else "warn") if made.stopped else ""
    rows = [[count, reason] for reason, count in made.left_out.items()]
    return head + (markup.table(["pairs", "left out because"], rows) if rows else "")
