"""The left column of the review page: what waits, in an order, filtered and searched, and what the reviewer has done.

Formats what the inbox gives. Knows nothing of items but their lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.inbox import Inbox, Listed, Numbers, Page
from flywheel.queue_entries import Filters
from flywheel.roles import Principal
from flywheel.ui import markup
from flywheel.words.catalogue import english, say, say_count

LINE = 70
"""Characters of a question in the list."""
ORDERS = ("value", "newest", "oldest")
STATES = ("pending", "skipped", "approved", "rejected", "quarantined", "all")
OFFERED = ("reason", "rating", "version", "provenance", "tag")
"""Filters whose choices are what there is."""
Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Listing:
    """What the list shows: filters, order, and the way to the page at hand."""

    filters: Filters = field(default_factory=Filters)
    order: str = "value"
    places: tuple[str, ...] = ()
    """Where each page before this one ended."""
    ids: tuple[str, ...] = ()
    """The rows of the page, in their order."""
    after: str | None = None
    """Where this page ends, if another follows."""


@dataclass(frozen=True)
class Drawn:
    """The list as it is now."""

    controls: list[Any]
    """Values of the outputs but the last."""
    choices: Choices
    ids: list[str]
    """What to open, best first."""

    def values(self, chosen: str | None) -> list[Any]:
        """Values of all outputs, with this row chosen."""
        return [*self.controls, gr.Radio(choices=self.choices, value=chosen if chosen in self.ids else None)]


class QueueColumn:
    """The list with its filters. `outputs` are drawn anew by `drawn`."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.outputs: list[Any] = []

    def build(self) -> None:
        """Lay it out; `listing`, `queue` and the controls are there afterwards."""
        self.listing = gr.State(Listing())
        self.search = gr.Textbox(
            label=say("review.search"), placeholder=say("review.search_hint"), max_lines=1, elem_id="search"
        )
        with gr.Accordion(say("review.filters"), open=False, elem_id="filters"):
            self.filters = self._filters()
        self.queue = gr.Radio(label=say("review.waiting"), choices=[], elem_id="queue")
        with gr.Row(visible=False, elem_classes="fw-pager") as self.pager:
            self.back = gr.Button(say("review.back"), elem_id="queue-back", size="sm", min_width=80)
            self.on = gr.Button(say("review.on"), elem_id="queue-on", size="sm", min_width=80)
        self.hint = gr.HTML(elem_id="waiting")
        self.outputs = [self.listing, self.pager, self.back, self.on, self.hint, self.queue]

    def _filters(self) -> dict[str, Any]:
        boxes: dict[str, Any] = {
            name: gr.Dropdown(label=say(f"review.by_{name}"), choices=_any(), value="", elem_id=f"filter-{name}")
            for name in OFFERED
        }
        states: Choices = [(say(f"review.state_{state}"), state) for state in STATES]
        boxes["state"] = gr.Dropdown(states, value="pending", label=say("review.by_state"), elem_id="filter-state")
        orders: Choices = [(say(f"review.order_{order}"), order) for order in ORDERS]
        boxes["order"] = gr.Dropdown(orders, value="value", label=say("review.order"), elem_id="filter-order")
        for name in ("since", "until"):
            boxes[name] = gr.Textbox(
                label=say(f"review.{name}"), placeholder="2026-01-31", max_lines=1, elem_id=f"filter-{name}"
            )
        boxes["mine"] = gr.Checkbox(label=say("review.mine"), elem_id="filter-mine")
        return boxes

    @property
    def offered(self) -> list[Any]:
        """The filters whose choices come with the data."""
        return [self.filters[name] for name in OFFERED]

    def offers(self, who: Principal) -> list[Any]:
        """What they offer now."""
        facets = self._inbox.facets(who)
        reasons = _any(facets.reasons, {key: reason_words(key) for key in facets.reasons})
        tallies = (facets.ratings, facets.versions, facets.provenances, facets.tags)
        return [gr.Dropdown(choices=choices) for choices in (reasons, *map(_any, tallies))]

    def drawn(self, who: Principal, listing: Listing, done: str | None = None) -> Drawn:
        """The list as it is now. What followed the item `done` on the page is opened next."""
        followed = listing.ids[listing.ids.index(done) + 1 :] if done in listing.ids else ()
        listing, page = self._page(who, listing)
        controls = [
            listing,
            gr.Row(visible=bool(listing.places or page.after)),
            gr.Button(interactive=bool(listing.places)),
            gr.Button(interactive=page.after is not None),
            hint_of(page.total, self._inbox.numbers(who), filtered=listing.filters != Filters()),
        ]
        ids = dict.fromkeys([id for id in followed if id in listing.ids] + list(listing.ids))
        return Drawn(controls, [(line(row), row.id) for row in page.entries], list(ids))

    def _page(self, who: Principal, listing: Listing) -> tuple[Listing, Page]:
        at = listing.places[-1] if listing.places else None
        page = self._inbox.page(who, listing.filters, listing.order, at)
        if not page.entries and listing.places:
            # The last page was worked off: what is left stands before it.
            return self._page(who, replace(listing, places=listing.places[:-1]))
        return replace(listing, ids=tuple(row.id for row in page.entries), after=page.after), page


def chosen(who: Principal, values: Mapping[str, Any]) -> Listing:
    """The first page of what the filters say. Raises InvalidInput for a day that is none."""
    said = {name: str(value or "").strip() for name, value in values.items()}
    filters = Filters(
        reason=said.get("reason", ""),
        rating=said.get("rating", ""),
        version=said.get("version", ""),
        provenance=said.get("provenance", ""),
        tag=said.get("tag", ""),
        state=said.get("state") or "pending",
        since=_day("since", said.get("since", "")),
        until=_day("until", said.get("until", "")),
        mine=who.id if values.get("mine") else "",
        text=said.get("text", ""),
    )
    return Listing(filters, said.get("order") or "value")


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(say("review.no_day", given=text[:40], field=say(f"review.{name}"))) from error


def reason_words(key: str) -> str:
    """A reason of a thumb as the guest read it. One that this release does not know, of a home from a later one, stays
    its key."""
    return say(f"reasons.{key}") if f"reasons.{key}" in english() else key


def _any(tally: Mapping[str, int] | None = None, words: Mapping[str, str] | None = None) -> Choices:
    named = ((value, (words or {}).get(value, value), n) for value, n in (tally or {}).items())
    return [(say("review.any"), ""), *((f"{name} ({n:,})", value) for value, name, n in named)]


def line(row: Listed) -> str:
    """One row of the list: the question, shortened, where the proposal comes from, its tags, what stands out."""
    short = " ".join(row.question.split())
    short = short if len(short) <= LINE else short[: LINE - 1] + "…"
    tags = "".join(f" #{tag}" for tag in row.tags)
    standing = "" if row.standing == "one" else f" · {say(f'review.standing_{row.standing}')}"
    state = "" if row.state == "pending" else f" · {say(f'review.state_{row.state}')}"
    return f"{short} · {row.provenance}{state}{standing}{tags}"


def hint_of(total: int, numbers: Numbers, *, filtered: bool) -> str:
    """What the reviewer sees under the list: how much there is and was done, or what to do when there is nothing."""
    told = [say_count("review.today", numbers.today)]
    if numbers.approved is not None:
        told.append(say("review.approved_share", share=f"{numbers.approved:.0%}"))
    if numbers.median_seconds is not None:
        told.append(say("review.median", seconds=f"{max(1.0, numbers.median_seconds):.0f}"))
    if numbers.agreement.pairs:
        kappa = "–" if numbers.agreement.kappa is None else f"{numbers.agreement.kappa:.2f}"
        told.append(say_count("review.agreement", numbers.agreement.pairs, kappa=kappa))
    done = " ".join(told)
    if total:
        return markup.note(f"{say_count('review.left', total)} {done}")
    if filtered:
        return markup.empty(f"{say('review.none_match')} {done}")
    return markup.empty(f"{say('review.nothing')} {done}", (say("review.open_chat"), "/"))
