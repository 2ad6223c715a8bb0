"""The panel of the review page for what asks nearly the same as the open item: one decision for all of it.

Formats and calls one service method a handler; each row is checked by the service.
"""

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr

from flywheel.alike import Alike, Cluster, Decided
from flywheel.items import Item
from flywheel.roles import Principal
from flywheel.ui import markup
from flywheel.ui.review_place import Place, drawing
from flywheel.ui.review_queue import Listing
from flywheel.ui.shell import caller, inform
from flywheel.words.catalogue import say, say_count

SHOWN = 50


class AlikePanel:
    """The cluster of an item."""

    side: Literal["above", "below"] = "below"

    def __init__(self, alike: Alike) -> None:
        self._alike = alike

    def build(self) -> Sequence[Any]:
        """Lay it out; the components that change with the item."""
        with gr.Column(visible=False) as body:
            table = gr.HTML(elem_id="alike")
            seen = gr.State([])
            with gr.Row(elem_classes="fw-bottom"):
                reason = gr.Textbox(label=say("alike.reason"), placeholder=say("alike.hint"), elem_id="alike-reason")
                approve = gr.Button(say("alike.approve"), elem_id="alike-approve")
                reject = gr.Button(say("alike.reject"), elem_id="alike-reject")
        self._reason, self._approve, self._reject, self._seen = reason, approve, reject, seen
        return [body, table, seen, reason]

    def wire(self, place: Place) -> None:
        """Tie its events."""
        given = {"seen": self._seen, "reason": self._reason, "listing": place.listing}
        self._refresh = place.refresh
        drawing(self._approve.click, self.approve, given, place.fresh, "alike_approve")
        drawing(self._reject.click, self.reject, given, place.fresh, "alike_reject")

    def open(self, who: Principal, item: Item | None) -> Sequence[Any]:
        """What asks nearly the same as this item."""
        cluster = self._alike.of(who, item.example.id) if item else None
        if cluster is None:
            return gr.Column(visible=False), "", [], ""
        return gr.Column(visible=True), cluster_view(cluster), cluster.seen, ""

    def approve(
        self, seen: list[tuple[str, str]], reason: str, listing: Listing, request: gr.Request
    ) -> tuple[Any, ...]:
        """Approve all of the cluster as it stands."""
        tell(self._alike.approve(caller(request), seen or [], keep=reason or ""), "approved")
        return self._refresh(listing, request)

    def reject(
        self, seen: list[tuple[str, str]], reason: str, listing: Listing, request: gr.Request
    ) -> tuple[Any, ...]:
        """Reject all of the cluster for the reason in the box."""
        tell(self._alike.reject(caller(request), seen or [], reason or ""), "rejected")
        return self._refresh(listing, request)


def tell(decided: Decided, done: str) -> None:
    """What became of it, and why some were left."""
    said = [say_count(f"alike.{done}", len(decided.done))] if decided.done else []
    if decided.refused:
        said.append(say("alike.left", count=len(decided.refused), reason=decided.refused[0][1]))
    inform(" ".join(said))


def cluster_view(cluster: Cluster) -> str:
    """Each pair once, with how many copies there are."""
    pairs = cluster.pairs
    rows = [[question(example.prompt), example.completion, count] for example, count in pairs]
    columns = [say(f"alike.column.{name}") for name in ("question", "answer", "copies")]
    answers = len({example.completion for example, _ in pairs})
    head = say_count("alike.others", len(cluster.examples) - 1) + " " + say_count("alike.answers", answers)
    return markup.note(head, "info" if answers == 1 else "warn") + markup.table(columns, rows, limit=SHOWN)


def question(prompt: Sequence[dict[str, str]]) -> str:
    """The last thing the person said."""
    return next((m["content"] for m in reversed(prompt) if m["role"] == "user"), "")
