"""The page `/review`: the inbox on the left, one item on the right, a key for every decision.

Formats and calls one service method a handler; rights, leases and validity are the services' matter.
"""

from dataclasses import replace
from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.items import Item
from flywheel.roles import Principal, Role
from flywheel.services import Services
from flywheel.ui import markup, review_keys
from flywheel.ui.review_numbers import learned_view
from flywheel.ui.review_parts import item_view, panels, parts, result_view
from flywheel.ui.review_place import Place, at_item, drawing, named
from flywheel.ui.review_queue import Listing, QueueColumn, chosen
from flywheel.ui.shell import caller, inform, strip
from flywheel.ui.wiring import on_load
from flywheel.words.catalogue import say, say_count
from storage.examples import Example


class ReviewPage:
    """Queue, item and decisions."""

    name, path, role = "review", "/review", Role.REVIEWER

    def __init__(self, services: Services) -> None:
        self._services = services
        self._parts, self._panels = parts(services), panels(services)
        self._column = QueueColumn(services.inbox)

    def build(self) -> None:
        """Lay out the page and wire it."""
        strip(self._services)
        terms = self._services.curation.terms()
        seen, last = gr.Textbox(visible=False), gr.State(None)
        with gr.Row(elem_classes="fw-split"):
            with gr.Column(scale=2, min_width=280):
                self._column.build()
            with gr.Column(scale=5, min_width=320, visible="hidden") as body:
                view = gr.HTML(elem_id="item")
                more = [part for panel in self._panels if panel.side == "above" for part in panel.build()]
                completion = gr.Textbox(label=say("review.corrected"), lines=5, max_lines=5, elem_id="completion")
                result = gr.HTML(elem_id="result")
                with gr.Column(visible=False) as guard, gr.Row(elem_classes="fw-bottom"):
                    redact = gr.Button(say("review.redact"), elem_id="redact")
                    keep = gr.Textbox(label=say("review.keep"), placeholder=say("review.keep_hint"), elem_id="keep")
                with gr.Row():
                    approve = gr.Button(say("review.approve"), variant="primary", elem_id="approve")
                    check = gr.Button(say("review.try"), elem_id="check", visible=self._services.task.name == "sql")
                    skip = gr.Button(say("review.skip"), elem_id="skip")
                    undo = gr.Button(say("review.undo"), elem_id="undo")
                with gr.Row(elem_classes="fw-bottom"):
                    reason = gr.Textbox(
                        label=say("review.reject_reason"), info=say("review.reject_read"),
                        placeholder=say("review.reject_hint"), elem_id="reason",
                    )  # fmt: skip
                    reject = gr.Button(say("review.reject"), variant="stop", elem_id="reject")
                more += [part for panel in self._panels if panel.side == "below" for part in panel.build()]
                gr.HTML(review_keys.help_view(), elem_id="keys")
        with gr.Accordion(say("review.mine_title"), open=False):
            learned = gr.HTML(elem_id="my-approvals")
        with gr.Accordion(say("review.bundled"), open=False, visible=bool(terms)):
            term = gr.Dropdown(
                label=say("review.word"), choices=[(markup.plain(name), name) for name in terms], elem_id="term"
            )
            load = gr.Button(say("review.load"), elem_id="load-corrections")
        listing = self._column.listing
        item = {"seen": seen, "completion": completion}
        shown = [view, completion, result, guard, keep, body, *more]
        # The next item comes with the decision on this one: a second round trip would let a fast hand decide twice.
        fresh = [*self._column.outputs, *shown]
        decided = [last, *fresh]
        on_load(self.begin, {}, [learned, *self._column.offered, *fresh], "review_open")
        self._wire_queue(fresh, shown)
        drawing(load.click, self.load, {"term": term, "listing": listing}, fresh, "review_load")
        at_item(check.click, self.check, item, [result, guard], "review_try")
        drawing(redact.click, self.redact, item, shown, "review_redact")
        drawing(approve.click, self.approve, {**item, "keep": keep, "listing": listing}, decided, "review_approve")
        drawing(skip.click, self.skip, {"seen": seen, "listing": listing}, decided, "review_skip")
        drawing(undo.click, self.undo, {"last": last, "listing": listing}, decided, "review_undo")
        rejected = {"seen": seen, "reason": reason, "listing": listing}
        drawing(reject.click, self.reject, rejected, [reason, *decided], "review_reject")
        drawing(reason.submit, self.reject, rejected, [reason, *decided], "review_reject_key")
        place = Place(seen, completion, listing, shown, fresh, self.open, self.refresh)
        for panel in self._panels:
            panel.wire(place)

    def _wire_queue(self, fresh: list[Any], shown: list[Any]) -> None:
        column = self._column
        drawing(column.queue.input, self.open, {"example_id": column.queue}, shown, "review_item", quiet=True)
        wanted = {"text": column.search, **column.filters}
        drawing(column.search.submit, self.choose, wanted, fresh, "review_search")
        for name, box in column.filters.items():
            changed = box.submit if name in ("since", "until") else box.input
            drawing(changed, self.choose, wanted, fresh, f"review_filter_by_{name}")
        drawing(column.on.click, self.forward, {"listing": column.listing}, fresh, "review_forward")
        drawing(column.back.click, self.backward, {"listing": column.listing}, fresh, "review_backward")

    def begin(self, request: gr.Request) -> tuple[Any, ...]:
        """The page as it is opened."""
        who = caller(request)
        told = learned_view(self._services.inbox.learned(who))
        return told, *self._column.offers(who), *self.refresh(Listing(), request)

    def refresh(self, listing: Listing, request: gr.Request, done: str | None = None) -> tuple[Any, ...]:
        """The list as it is now, and the next item open: the one after `done`, else the first that nobody holds."""
        who = caller(request)
        drawn = self._column.drawn(who, listing, done)
        for example_id in drawn.ids:
            item = self._services.inbox.open(who, example_id)
            if item.held_by is None:
                return *drawn.values(example_id), *self._shown(who, item)
        return *drawn.values(None), *self.open(None, request)

    def choose(self, request: gr.Request, **wanted: Any) -> tuple[Any, ...]:
        """The list that the filters and the search ask for."""
        return self.refresh(chosen(caller(request), wanted), request)

    def forward(self, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """The next page of the list."""
        places = (*listing.places, listing.after) if listing.after else listing.places
        return self.refresh(replace(listing, places=places), request)

    def backward(self, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """The page before."""
        return self.refresh(replace(listing, places=listing.places[:-1]), request)

    def load(self, term: str | None, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """Put the bundled example corrections of a word into the inbox."""
        added = self._services.curation.load_example_corrections(caller(request), term or "")
        inform(say_count("review.loaded", added, term=markup.plain(term or "")) if added else say("data.loaded.none"))
        return self.refresh(listing, request)

    def open(self, example_id: str | None, request: gr.Request) -> tuple[Any, ...]:
        """One item: conversation, diff, proposal and what the proposal returns."""
        who = caller(request)
        if example_id:
            return self._shown(who, self._services.inbox.open(who, example_id))
        nothing = ("", "", "", gr.Column(visible=False), "", gr.Column(visible="hidden"))
        return *nothing, *self._opened(who, None)

    def _shown(self, who: Principal, item: Item) -> tuple[Any, ...]:
        text = item.example.completion
        told = item_view(self._parts, item), text, result_view(item, text)
        return *told, guard_of(item), "", gr.Column(visible=True), *self._opened(who, item)

    def _opened(self, who: Principal, item: Item | None) -> list[Any]:
        """What the panels show of an item, in the order they were laid out."""
        sides = (panel for side in ("above", "below") for panel in self._panels if panel.side == side)
        return [value for panel in sides for value in panel.open(who, item)]

    def check(self, seen: str, completion: str, request: gr.Request) -> tuple[str, Any]:
        """What the edited answer would return and holds, nothing decided."""
        item = self._services.curation.item(caller(request), named(seen)[0], completion=completion)
        return result_view(item, completion), guard_of(item)

    def redact(self, seen: str, completion: str, request: gr.Request) -> tuple[Any, ...]:
        """Put tags in the place of personal data in the prompt and in what stands in the box."""
        example_id, event = named(seen)
        curation = self._services.curation
        done = curation.redact(caller(request), example_id, completion=completion, expected_event=event)
        return self.open(done.id, request)

    def approve(self, seen: str, completion: str, keep: str, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """Approve what stands in the box."""
        example_id, event = named(seen)
        curation = self._services.curation
        done = curation.approve(
            caller(request), example_id, completion=completion, keep=keep or "", expected_event=event
        )
        return self._after(done, listing, request)

    def skip(self, seen: str, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """Put it off: this reviewer is asked again after a day, the others as before."""
        example_id, event = named(seen)
        done = self._services.curation.skip(caller(request), example_id, expected_event=event)
        return done.id, *self.refresh(listing, request, done.id)

    def reject(self, seen: str, reason: str, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """Reject with the reason typed."""
        example_id, event = named(seen)
        done = self._services.curation.reject(caller(request), example_id, reason, expected_event=event)
        return "", *self._after(done, listing, request)

    def undo(self, last: str | None, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        """Take the last decision of this page back, and show the item again."""
        if not last:
            raise InvalidInput(say("review.nothing_decided"))
        who = caller(request)
        self._services.curation.reopen(who, last)
        return None, *self._column.drawn(who, listing).values(last), *self.open(last, request)

    def _after(self, done: Example, listing: Listing, request: gr.Request) -> tuple[Any, ...]:
        if done.state == "pending":
            inform(say("review.voted"))
        return done.id, *self.refresh(listing, request, done.id)


def guard_of(item: Item) -> Any:
    """The means against personal data are there when some was found."""
    return gr.Column(visible=item.private is not None)
