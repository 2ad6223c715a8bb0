"""The page `/review`: the inbox on the left, one item on the right, a key for every decision.

Formats and calls one service method a handler; rights, leases and validity are the services' matter.
"""

from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.items import Item
from flywheel.roles import Principal, Role
from flywheel.services import Services
from flywheel.ui import markup, review_keys
from flywheel.ui.review_parts import Place, State, item_view, panels, parts, result_view
from flywheel.ui.shell import caller, strip
from flywheel.ui.wiring import on_load, wire
from storage.examples import Example

PAGE = 50


class ReviewPage:
    """Queue, item and decisions."""

    name, path, role = "review", "/review", Role.REVIEWER

    def __init__(self, services: Services) -> None:
        self._services = services
        self._parts, self._panels = parts(services), panels(services)

    def build(self) -> None:
        """Lay out the page and wire it."""
        strip(self._services)
        curation = self._services.curation
        current, last = gr.State(None), gr.State(None)
        with gr.Row(elem_classes="fw-split"):
            with gr.Column(scale=2, min_width=280):
                queue = gr.Radio(label="Waiting for a decision", choices=[], elem_id="queue")
                hint = gr.HTML(elem_id="waiting")
                with gr.Accordion("Bundled example corrections", open=False, visible=bool(curation.terms())):
                    term = gr.Dropdown(label="Word to teach", choices=curation.terms(), elem_id="term")
                    load = gr.Button("Load example corrections", elem_id="load-corrections")
            with gr.Column(scale=5, min_width=320, visible="hidden") as body:
                view = gr.HTML(elem_id="item")
                more = [part for panel in self._panels if panel.side == "above" for part in panel.build()]
                completion = gr.Textbox(label="Corrected answer", lines=5, max_lines=5, elem_id="completion")
                result = gr.HTML(elem_id="result")
                with gr.Column(visible=False) as guard, gr.Row(elem_classes="fw-bottom"):
                    redact = gr.Button("Redact", elem_id="redact")
                    keep = gr.Textbox(label="Reason for keeping it", placeholder="then approve", elem_id="keep")
                with gr.Row():
                    approve = gr.Button("Approve", variant="primary", elem_id="approve")
                    check = gr.Button("Try it", elem_id="check", visible=self._services.task.name == "sql")
                    skip = gr.Button("Skip", elem_id="skip")
                    undo = gr.Button("Undo", elem_id="undo")
                with gr.Row(elem_classes="fw-bottom"):
                    reason = gr.Textbox(
                        label="Reason for rejecting", info="Who wrote it reads it, as you write it.",
                        placeholder="Enter rejects", elem_id="reason",
                    )  # fmt: skip
                    reject = gr.Button("Reject", variant="stop", elem_id="reject")
                more += [part for panel in self._panels if panel.side == "below" for part in panel.build()]
                gr.HTML(review_keys.help_view(), elem_id="keys")
        item = {"current": current, "completion": completion}
        shown = [view, completion, result, guard, keep, current, body, *more]
        # The next item comes with the decision on this one: a second round trip would let a fast hand decide twice.
        fresh = [queue, hint, *shown]
        on_load(self.refresh, {}, fresh, "review_open")
        wire(load.click, self.load, {"term": term}, fresh, "review_load")
        wire(queue.input, self.open, {"example_id": queue}, shown, "review_item", quiet=True)
        wire(check.click, self.check, item, [result, guard], "review_try")
        wire(redact.click, self.redact, item, shown, "review_redact")
        wire(approve.click, self.approve, {**item, "keep": keep}, [*fresh, last], "review_approve")
        wire(skip.click, self.skip, {"current": current}, [*fresh, last], "review_skip")
        wire(undo.click, self.undo, {"last": last}, [*fresh, last], "review_undo")
        rejected = {"current": current, "reason": reason}
        wire(reject.click, self.reject, rejected, [*fresh, last, reason], "review_reject")
        wire(reason.submit, self.reject, rejected, [*fresh, last, reason], "review_reject_key")
        place = Place(current, completion, shown, fresh, self.open, self.refresh)
        for panel in self._panels:
            panel.wire(place)

    def refresh(self, request: gr.Request) -> tuple[Any, ...]:
        """The queue as it is now, its first item chosen and open."""
        who = caller(request)
        examples = self._services.curation.inbox(who, limit=PAGE)
        counts = self._services.curation.counts(who)
        choices = [(label(example), example.id) for example in examples]
        first = choices[0][1] if choices else None
        return (
            gr.Radio(choices=choices, value=first),
            hint_of(len(choices), counts, bundled=bool(self._services.curation.terms())),
            *self.open(first, request),
        )

    def load(self, term: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Put the bundled example corrections of a word into the inbox."""
        added = self._services.curation.load_example_corrections(caller(request), term or "")
        gr.Info(
            f"{added} example corrections of `{term}` wait for your decision." if added else "They are here already."
        )
        return self.refresh(request)

    def open(self, example_id: str | None, request: gr.Request) -> tuple[Any, ...]:
        """One item: conversation, diff, proposal and what the proposal returns."""
        who = caller(request)
        if not example_id:
            nothing = ("", "", "", gr.Column(visible=False), "", None, gr.Column(visible="hidden"))
            return *nothing, *self._opened(who, None)
        item = self._services.curation.item(who, example_id)
        current = (example_id, item.example.event_id)
        text = item.example.completion
        told = item_view(self._parts, item), text, result_view(item, text)
        return *told, guard_of(item), "", current, gr.Column(visible=True), *self._opened(who, item)

    def _opened(self, who: Principal, item: Item | None) -> list[Any]:
        """What the panels show of an item, in the order they were laid out."""
        sides = (panel for side in ("above", "below") for panel in self._panels if panel.side == side)
        return [value for panel in sides for value in panel.open(who, item)]

    def check(self, current: State, completion: str, request: gr.Request) -> tuple[str, Any]:
        """What the edited answer would return and holds, nothing decided."""
        item = self._services.curation.item(caller(request), known(current), completion=completion)
        return result_view(item, completion), guard_of(item)

    def redact(self, current: State, completion: str, request: gr.Request) -> tuple[Any, ...]:
        """Put tags in the place of personal data in the prompt and in what stands in the box."""
        example_id, event = seen(current)
        curation = self._services.curation
        done = curation.redact(caller(request), example_id, completion=completion, expected_event=event)
        return self.open(done.id, request)

    def approve(self, current: State, completion: str, keep: str, request: gr.Request) -> tuple[Any, ...]:
        """Approve what stands in the box."""
        example_id, event = seen(current)
        curation = self._services.curation
        done = curation.approve(
            caller(request), example_id, completion=completion, keep=keep or "", expected_event=event
        )
        return *self.refresh(request), done.id

    def skip(self, current: State, request: gr.Request) -> tuple[Any, ...]:
        """Leave it undecided; it does not come back by itself."""
        example_id, event = seen(current)
        done = self._services.curation.skip(caller(request), example_id, expected_event=event)
        return *self.refresh(request), done.id

    def reject(self, current: State, reason: str, request: gr.Request) -> tuple[Any, ...]:
        """Reject with the reason typed."""
        example_id, event = seen(current)
        done = self._services.curation.reject(caller(request), example_id, reason, expected_event=event)
        return *self.refresh(request), done.id, ""

    def undo(self, last: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Take the last decision of this page back."""
        if not last:
            raise InvalidInput("Nothing was decided on this page yet, so there is nothing to undo.")
        self._services.curation.reopen(caller(request), last)
        return *self.refresh(request), None


def seen(current: State) -> tuple[str, str]:
    """The item and event on the page. Raises InvalidInput when none is open."""
    if not current:
        raise InvalidInput("No item is open. Choose one from the list on the left.")
    return current[0], current[1]


def known(current: State) -> str:
    """The id of the item on the page."""
    return seen(current)[0]


def label(example: Example) -> str:
    """One line of the queue: the question, shortened, and where the proposal comes from."""
    question = next((m["content"] for m in reversed(example.prompt) if m["role"] == "user"), "")
    short = " ".join(question.split())
    short = short if len(short) <= 70 else short[:69] + "…"
    return f"{short} · {example.provenance}"


def hint_of(waiting: int, counts: dict[str, int], *, bundled: bool) -> str:
    """What the reviewer sees under the queue: how much there is, or what to do when there is nothing."""
    done = ", ".join(f"{counts.get(state, 0)} {state}" for state in ("approved", "rejected", "skipped"))
    if waiting:
        more = f" (the first {waiting} are shown)" if counts.get("pending", 0) > waiting else ""
        return markup.note(f"{counts.get('pending', waiting)} waiting{more}; {done}.")
    also = ", and you can load the bundled examples below" if bundled else ""
    return markup.empty(
        f"Nothing waits for a decision; {done}. Corrections from the chat arrive here{also}.",
        ("Go on to Data and freeze", "/data") if counts.get("approved") else ("Open the chat", "/"),
    )


def guard_of(item: Item) -> Any:
    """The means against personal data, and the reason for keeping what was noticed, are there when something was."""
    return gr.Column(visible=item.private is not None or bool(item.flags))
