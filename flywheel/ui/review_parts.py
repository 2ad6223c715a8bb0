"""What the review page shows of one item: a list of parts, each one section, read from top to bottom.

A part only tells and has no buttons: a function from an item to markup. What has buttons is a panel. Both are hooked in
here and nowhere else, so that a package adds a section without touching the page. Knows no service by itself.
"""

import math
from collections.abc import Callable, Sequence
from html import escape

from flywheel.items import Item
from flywheel.redaction.redact import find
from flywheel.services import Services
from flywheel.tasks.heads import head
from flywheel.ui import markup
from flywheel.ui.review_alike import AlikePanel
from flywheel.ui.review_flags import noticed
from flywheel.ui.review_pin import PinPanel
from flywheel.ui.review_place import Panel, item_key
from flywheel.ui.review_queue import reason_words
from flywheel.ui.review_suggest import SuggestPanel
from flywheel.ui.review_tags import TagPanel
from flywheel.words.catalogue import say, say_count

Part = Callable[[Item], str]
"""One section of an item as markup; empty where there is nothing to say."""
SHOWN_TURNS = 8
ROLES = ("system", "user", "assistant", "tool")


def parts(services: Services) -> list[Part]:
    """The sections of an item, top to bottom."""
    return [held, origin, noticed, conversation, comment, dispute, difference, similar]


def panels(services: Services) -> list[Panel]:
    """The sections with buttons, in their order on each side."""
    below: list[Panel] = [TagPanel(services.inbox), PinPanel(services.pins)]
    return [SuggestPanel(services.suggestions), AlikePanel(services.alike), *below]


def item_view(sections: Sequence[Part], item: Item) -> str:
    """All sections that have something to say, under the item they show: by it the page tells what it is about."""
    return f'<div data-item="{item_key(item.example)}">{"".join(section(item) for section in sections)}</div>'


def origin(item: Item) -> str:
    """Who, when, from where."""
    example = item.example
    told: list[tuple[str, object]] = [
        (say("review.fact.from"), example.provenance),
        (say("review.fact.by"), pseudonym(example.created_by)),
        (say("review.fact.when"), f"{example.created:%d %b %H:%M}"),
    ]
    if example.version:
        told.append((say("review.fact.version"), example.version))
    if example.reasons:
        told.append((say("review.fact.reasons"), ", ".join(map(reason_words, example.reasons))))
    if item.rating:
        told.append((say("review.fact.thumb"), say(f"review.thumb.{item.rating}")))
    if item.logprob is not None:
        told.append((say("review.certainty"), say("review.a_word", share=f"{math.exp(min(0.0, item.logprob)):.0%}")))
    if item.answers > 1:
        told.append((say("review.fact.again"), say_count("review.answers", item.answers)))
    return markup.facts(told)


def held(item: Item) -> str:
    """That somebody else is at it."""
    return markup.note(say("review.held", person=pseudonym(item.held_by)), "warn") if item.held_by else ""


def dispute(item: Item) -> str:
    """What two reviewers said apart."""
    if not item.votes:
        return ""
    said = [say("review.said", person=pseudonym(vote.by), decision=vote.decision) for vote in item.votes]
    said = [f"{words}: {vote.reason}" if vote.reason else words for words, vote in zip(said, item.votes, strict=True)]
    texts = {vote.completion for vote in item.votes if vote.decision == "approved"}
    apart = "".join(markup.code(text) for text in sorted(texts)) if len(texts) > 1 else ""
    return markup.notes([say("review.disputed"), *said], "warn") + apart


def similar(item: Item) -> str:
    """Others that ask nearly the same, and what became of them."""
    if not item.similar:
        return ""
    lines = [
        f'<li>{escape(question)} <span class="fw-badge">{escape(state)}</span> {share:.0%}</li>'
        for _, question, state, share in item.similar
    ]
    title = f"{say('review.similar')} ({len(lines)})"
    return f'<details><summary>{escape(title)}</summary><ul class="fw-reasons">{"".join(lines)}</ul></details>'


def conversation(item: Item) -> str:
    """What was said, up to the answer; the earlier part of a long talk is folded away."""
    example = item.example
    # A redacted prompt stands in place of the conversation, which would show what was taken out.
    said = [(turn.role, turn.content) for turn in item.thread if not example.redacted]
    said = said or [(message["role"], message["content"]) for message in example.prompt]
    lines = [f"<p><b>{escape(speaker(role))}</b> {marked(content)}</p>" for role, content in said]
    before, last = lines[:-SHOWN_TURNS], lines[-SHOWN_TURNS:]
    folded = (
        f"<details><summary>{escape(say('review.earlier', count=len(before)))}</summary>{''.join(before)}</details>"
        if before
        else ""
    )
    return f'<div class="fw-talk">{folded}{"".join(last)}</div>'


def speaker(role: str) -> str:
    """Who said it, as people read it."""
    return say(f"review.role.{role}") if role in ROLES else role


def comment(item: Item) -> str:
    """What the person wrote beside it."""
    return markup.note(say("review.comment", comment=item.example.comment)) if item.example.comment else ""


def difference(item: Item) -> str:
    """From the answer to the proposal."""
    return (
        f"<h4>{escape(say('review.changes'))}</h4>" + markup.diff(item.diff) if item.example.answer is not None else ""
    )


def marked(text: str) -> str:
    """A text with what was found in it marked by element and type."""
    pieces, at = [], 0
    for span in find(text):
        found = f'<mark title="{span.type}">{escape(text[span.start : span.end])}</mark>'
        pieces += [escape(text[at : span.start]), found, f"<sub>{span.type}</sub>"]
        at = span.end
    return "".join([*pieces, escape(text[at:])])


def result_view(item: Item, completion: str) -> str:
    """What the proposal holds and returns when it is run, or why it cannot be approved."""
    pieces = [markup.note(item.problem, "bad")] if item.problem else []
    if item.private:
        words = say("review.private", found=f"{item.private[0].upper()}{item.private[1:]}")
        pieces.append(markup.note(words, "warn"))
        if find(completion):
            pieces.append(f'<div class="fw-talk"><p>{marked(completion)}</p></div>')
    outcome = item.outcome
    if outcome is not None and outcome.columns:
        title = say("review.result", rows=say_count("words.rows", len(outcome.rows)))
        title = f"{title} {say('review.cut')}" if outcome.truncated else title
        pieces.append(markup.table([head(name) for name in outcome.columns], outcome.rows, title, limit=20))
    elif outcome is not None and not item.problem and outcome.sentence:
        pieces.append(markup.note(outcome.sentence))
    return "".join(pieces)


def pseudonym(person: str) -> str:
    """A person as reviewers see them: the kind and a few characters, never a whole cookie id."""
    kind, _, rest = person.partition(":")
    return f"{kind} {rest[:6]}" if kind == "guest" else person
