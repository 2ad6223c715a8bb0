"""Sentences of the layers below, which know no catalogue: found by their English form, said in the language in use.

Storage and trainers raise English sentences, some in processes of their own, and some are stored as text. Their
templates stand in the catalogue under `storage` and `trainers`; a text of that form is said with the values it holds.
"""

from functools import lru_cache
from string import Formatter

from flywheel.words.catalogue import ENGLISH, english, language, spoken

LAYERS = ("storage.", "trainers.")
Template = tuple[tuple[str, str | None], ...]
"""(words, name of the value behind them; None behind the last words)."""


def told(text: str) -> str:
    """The sentence in the language in use; as it is where that is English, or where it is no sentence from below."""
    if language() == ENGLISH:
        return text
    for key, template in _templates():
        if (values := _values(template, text)) is not None:
            return spoken(key).format(**values)
    return text


def words_of(error: BaseException) -> str:
    """What an error that is meant for people says."""
    return told(str(error))


def is_said(key: str, text: str) -> bool:
    """Whether a text is this sentence, whatever values it holds, in the language in use or in English."""
    return any(_values(_template(said), text) is not None for said in {spoken(key), english()[key]})


@lru_cache(maxsize=1)
def _templates() -> list[tuple[str, Template]]:
    """Key and form of each sentence, those with the most words of their own first."""
    found = [(key, _template(said)) for key, said in english().items() if key.startswith(LAYERS)]
    return sorted(found, key=lambda one: (-sum(len(words) for words, _ in one[1]), one[0]))


def _template(sentence: str) -> Template:
    parts = tuple((words, name) for words, name, *_ in Formatter().parse(sentence))
    return parts if parts[-1][1] is None else (*parts, ("", None))


def _values(template: Template, text: str) -> dict[str, str] | None:
    """The values where the text has this form: each ends where the words behind it are first found, so that no value,
    whoever wrote it, makes the search long."""
    (words, name), *rest = template
    if not text.startswith(words):
        return None
    values: dict[str, str] = {}
    at = len(words)
    for words, following in rest:
        end = text.find(words, at) if following is not None else len(text) - len(words)
        if end < at or not text.startswith(words, end):
            return None
        assert name is not None
        if values.setdefault(name, text[at:end]) != text[at:end]:
            return None
        at, name = end + len(words), following
    return values if at == len(text) else None
