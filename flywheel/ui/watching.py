"""Work that a person watches: a bar while it goes on, then what it made, or why it ended, in the same place.

The service does the work; here its steps are drawn.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from flywheel.errors import PUBLIC
from flywheel.steps import Step
from flywheel.ui import markup
from flywheel.words.below import words_of

T = TypeVar("T")


def bar(step: Step) -> str:
    """One step as markup."""
    words, fraction = step
    return markup.progress_bar(fraction or 0.0, words)


def watched(
    work: Generator[Any, None, T],
    made: Callable[[T], Any],
    *,
    step: Callable[[Any], str] = bar,
    put: Callable[[str], Any] = lambda markup: markup,
) -> Iterator[Any]:
    """What the page gets for each step, and for what the work made. `put` has markup stand where the bar does.

    What goes wrong is raised as ever, after the bar has given way to the reason: a bar that stands still would say
    that the work goes on.
    """
    try:
        while True:
            try:
                yield put(step(next(work)))
            except StopIteration as done:
                yield made(done.value)
                return
    except PUBLIC as error:
        yield put(markup.note(words_of(error), "bad"))
        raise
    except Exception:
        yield put("")
        raise
