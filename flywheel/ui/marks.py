"""The small controls the chat page writes itself: switches between branches, and the list of conversations. Pure.

They are plain buttons, of which the page's script tells the server the name and the id; what is clicked is looked up
again there. Titles are people's words and are escaped.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from flywheel.threads import ThreadItem
from flywheel.words.catalogue import say
from storage.conversations import Listed, Turn

SCRIPT = """
const root = document.documentElement;
const names = {
  'fw-show': 'shown', 'fw-retry': 'retried', 'fw-edit': 'edited', 'fw-open': 'opened', 'fw-older': 'older',
  'fw-choose': 'chosen',
};
const close = () => root.classList.remove('fw-history-open');
const ours = (event) => event.target.closest?.('#chat button.fw-act, #conversations button.fw-act');
const tell = (button) => button && !button.disabled && trigger(names[button.name], {id: button.value});
// An answer that grows draws its bubble anew: a button that is replaced while it is pressed gets no click.
let pressed = null;
document.addEventListener('pointerdown', (event) => { pressed = ours(event); });
document.addEventListener('pointerup', () => {
  if (element.isConnected && pressed && !pressed.isConnected) tell(pressed);
  pressed = null;
});
document.addEventListener('click', (event) => {
  if (!element.isConnected) return;
  const button = ours(event);
  tell(button);
  if (button?.name === 'fw-open') close();
  else if (root.classList.contains('fw-history-open') && !event.target.closest('#history, #open-history')) close();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !root.classList.contains('fw-history-open')) return;
  close();
  document.querySelector('#open-history')?.focus();
});
"""
"""Names a click to the server, as an event of the component that carries this script; closes the list on a phone."""
OPEN_LIST = """() => {
  const open = document.documentElement.classList.toggle('fw-history-open');
  if (open) setTimeout(() => document.querySelector('#search textarea, #search input')?.focus(), 50);
}"""


def controls(item: ThreadItem, *, last: bool) -> str:
    """Under a turn: which of its siblings this is, with steps to the others; Edit, or Retry on the last answer."""
    turn, parts = item.turn, [_switch(item)]
    question = turn.role == "user"
    if question:
        parts.append(_act("fw-edit", turn.id, say("chat.edit_question")))
    if last:
        parts.append(_act("fw-retry", turn.id, say("chat.retry")))
    inner = "".join(part for part in parts if part)
    return f'<span class="fw-acts">{inner}</span>' if inner else ""


def choice(left: Turn, right: Turn, bodies: tuple[str, str]) -> str:
    """Two answers beside each other, one below the other where it is narrow, with a choice under each and below."""
    sides = "\n\n".join(
        f'<div class="fw-one">\n\n{body}\n\n{_act("fw-choose", f"better {turn.id}", words, visible=True)}\n\n</div>'
        for turn, body, words in zip((left, right), bodies, (say("choice.first"), say("choice.second")), strict=True)
    )
    neither = "".join(
        _act("fw-choose", f"{verdict} {left.id}", words, visible=True)
        for verdict, words in (("bad", say("choice.bad")), ("same", say("choice.same")))
    )
    return f'{say("choice.hint")}\n\n<div class="fw-two">\n\n{sides}\n\n</div>\n\n<p class="fw-neither">{neither}</p>'


def abreast(bodies: tuple[str, str]) -> str:
    """Two answers as far as they are written."""
    sides = "\n\n".join(f'<div class="fw-one">\n\n{body}\n\n</div>' for body in bodies)
    return f'{say("choice.soon")}\n\n<div class="fw-two">\n\n{sides}\n\n</div>'


def conversations(listed: Sequence[Listed], current: str | None, *, search: str, older: bool, full: bool) -> str:
    """The list as HTML. `older`: it does not begin with the newest; `full`: there may be more after it."""
    if not listed:
        return f'<p class="fw-none">{say("history.none_found") if search.strip() else say("history.none")}</p>'
    rows = "".join(_row(entry, entry.id == current) for entry in listed)
    ends = [_act("fw-older", "", say("history.newest"), visible=True)] if older else []
    ends += [_act("fw-older", listed[-1].place, say("history.older"), visible=True)] if full else []
    return f'<ul class="fw-list" aria-label="{say("history.chats")}">{rows}</ul><p class="fw-ends">{"".join(ends)}</p>'


def day(when: datetime, now: datetime | None = None) -> str:
    """The date of a conversation, in UTC; the time where it is today's."""
    now, when = now or datetime.now(UTC), when.astimezone(UTC)
    if when.date() == now.date():
        return f"{when:%H:%M}"
    return f"{when.day} {when:%b}" if when.year == now.year else f"{when.day} {when:%b %Y}"


def _switch(item: ThreadItem) -> str:
    beside = item.siblings
    if len(beside) < 2 or item.turn.id not in beside:
        return ""
    at = beside.index(item.turn.id)
    kind = "question" if item.turn.role == "user" else "answer"
    before = _act("fw-show", beside[at - 1] if at else "", say(f"chat.previous.{kind}"), kind="fw-prev")
    after = _act(
        "fw-show", beside[at + 1] if at + 1 < len(beside) else "", say(f"chat.next.{kind}"), kind="fw-next-one"
    )
    return f'{before}<span class="fw-at">{at + 1}/{len(beside)}</span>{after}'


def _act(name: str, value: str, words: str, *, kind: str = "", visible: bool = False) -> str:
    off = " disabled" if name == "fw-show" and not value else ""
    label = f">{escape(words)}" if visible else f' title="{escape(words)}">'
    classes = f"fw-act {kind or name}"
    return f'<button type="button" class="{classes}" name="{name}" value="{escape(value)}"{off}{label}</button>'


def _row(entry: Listed, current: bool) -> str:
    marked = ' aria-current="true"' if current else ""
    title = escape(entry.title or say("history.untitled"))
    return (
        f'<li><button type="button" class="fw-act fw-open" name="fw-open" value="{entry.id}"{marked}>'
        f'<span class="fw-name">{title}</span> <time datetime="{entry.updated.astimezone(UTC):%Y-%m-%dT%H:%MZ}">'
        f"{day(entry.updated)}</time></button></li>"
    )
