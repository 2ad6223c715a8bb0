"""An answer that is being written in a tab: one at a time, its beginning and its end as events of the page.

Between the two its text goes by `flywheel.live` to the page's script, which shows it in the bubble that stands here
with the first event. While nobody reads it there, it comes as further events, as from any page of the library.
"""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast

import gradio as gr

from flywheel.chat import Thread
from flywheel.errors import Conflict
from flywheel.reply import Update
from flywheel.services import Services
from flywheel.ui import present
from flywheel.ui.shell import caller, shown
from flywheel.words.catalogue import say

UPDATE_SECONDS = 0.05
"""Between two updates of an answer: 20 a second at most, whatever the service yields."""


class Answering:
    """The answers under way, by person and tab. `showing` is what a thread is shown in."""

    def __init__(self, services: Services, showing: Callable[[Thread], tuple[Any, ...]]) -> None:
        self._chat, self._live, self._showing = services.chat, services.live, showing
        self._is_sql = services.task.name == "sql"
        self._under_way: dict[tuple[str, str], str] = {}
        """(person, tab) → the answer under way there, while that tab shows its conversation."""

    def leave(self, request: gr.Request) -> None:
        """This tab turns to something else: what it is writing is stopped and kept."""
        self._chat.stop(caller(request), self._under_way.pop(_tab(request), ""))

    @shown
    def stop(self, request: gr.Request) -> None:
        """End the answer that is being written in this tab; what there is of it is kept."""
        self._chat.stop(caller(request), self._under_way.get(_tab(request), ""))

    def follow(self, request: gr.Request, replies: Iterator[Update], **value: str) -> Iterator[tuple[Any, ...]]:
        """Stream an answer to this tab, under the question it answers; then show the branch it is on."""
        who, tab = caller(request), _tab(request)
        if tab in self._under_way:
            raise Conflict(say("chat.still_writing"))
        growing, before, last = None, list[Any](), 0.0
        talk, place = "", ""
        updates = cast(Generator[Update, None, None], replies)
        try:
            for update in updates:
                place = update.turn_id if update.done else update.user_turn_id
                if growing is None:
                    growing = self._live.begin(who, update.turn_id)
                    self._under_way[tab], talk, last = update.turn_id, update.conversation_id, time.monotonic()
                    before = self._before(request, talk, update.user_turn_id)
                    shown_now = [*before, self._bubble(update)]
                    yield _buttons(busy=True, **value), shown_now, update.user_turn_id, gr.update(visible=False)
                elif not update.done and time.monotonic() - last >= UPDATE_SECONDS and tab in self._under_way:
                    last = time.monotonic()
                    growing.put(present.live(update, sql=self._is_sql))
                    if not growing.is_read:
                        yield gr.skip(), [*before, self._bubble(update)], gr.skip(), gr.skip()
        finally:
            if growing is not None:
                growing.end()
            updates.close()
            stayed = self._under_way.pop(tab, None) is not None
        if stayed:
            yield _buttons(busy=False), *self._showing(self._chat.threads.branch(who, talk, place))
        else:
            yield _buttons(busy=False), gr.skip(), gr.skip(), gr.skip()

    def _before(self, request: gr.Request, talk: str, place: str) -> list[Any]:
        """What is shown above the answer: the branch as far as the question."""
        items = self._chat.threads.branch(caller(request), talk, place).items
        at = next((n for n, item in enumerate(items, 1) if item.turn.id == place), None)
        return present.messages(items[:at])

    def _bubble(self, update: Update) -> Any:
        return present.message("assistant", present.growing(update, sql=self._is_sql))


def _tab(request: gr.Request) -> tuple[str, str]:
    return caller(request).id, request.session_hash or ""


def _buttons(*, busy: bool, **value: Any) -> Any:
    # As a component it would be put together here and again by the library: a millisecond of each answer.
    return gr.update(
        submit_btn=False if busy else say("chat.send"), stop_btn=say("chat.stop") if busy else False, **value
    )
