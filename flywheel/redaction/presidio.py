"""Names and places in a text, found by Presidio with a spaCy pipeline: only where the owner asks for it.

What has a form we find ourselves, everywhere the same; of Presidio's finds only PERSON and LOCATION are taken. Nothing
is fetched, and nothing is left out without a word: what is missing stops the start, what is too much is refused. Only
sentences are read: in SQL and JSON a language model takes columns for people.
"""

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from flywheel.errors import ConfigurationError, InvalidInput
from flywheel.redaction import redact
from flywheel.words.catalogue import say

TYPES = {"PERSON": "NAME", "LOCATION": "PLACE"}
MOST, WINDOW, MOST_S = 200_000, 5_000, 30.0
"""Characters of a text, and of what is read at once; seconds for one text."""
KEPT = 256
"""Texts whose names are remembered: a page, an approval and a freeze look at the same ones."""
_FINDERS = ("ner", "beam_ner", "entity_ruler", "span_ruler")
Found = tuple[int, int, str]


def look_for_names(pipeline: str) -> None:
    """Have redaction look for names and places with this pipeline from now on; empty: not any more."""
    redact.use(finder(pipeline) if pipeline else None)


def finder(pipeline: str) -> Callable[[str], tuple[Found, ...]]:
    """A function from a text to its names and places: code points and `NAME` or `PLACE`, in order.

    `pipeline` is an installed spaCy pipeline or a folder with one. ConfigurationError says what is missing and how to
    get it. The function raises InvalidInput for a text that is too long or takes too long. Thread-safe.
    """
    analyse = _analyser(pipeline)
    one_at_a_time = threading.Lock()

    @lru_cache(maxsize=KEPT)
    def names(text: str) -> tuple[Found, ...]:
        if len(text) > MOST:
            raise InvalidInput(say("error.text.names_long", count=f"{len(text):,}", most=f"{MOST:,}"))
        ends, found = time.monotonic() + MOST_S, list[Found]()
        for start, end in _windows(text):
            if time.monotonic() > ends:
                raise InvalidInput(say("error.text.names_slow", count=f"{len(text):,}", seconds=f"{MOST_S:.0f}"))
            with one_at_a_time:
                found += [(start + a, start + b, type) for a, b, type in analyse(text[start:end])]
        return tuple(sorted(found))

    return names


def _analyser(pipeline: str) -> Callable[[str], list[Found]]:
    for module, package in (("presidio_analyzer", "presidio-analyzer"), ("spacy", "spacy")):
        if importlib.util.find_spec(module) is None:
            raise ConfigurationError(
                f"FLYWHEEL_PRESIDIO is `{pipeline}`, and Presidio is not installed (`{module}` is missing). Run "
                f"`.venv/bin/pip install {package}`, or unset FLYWHEEL_PRESIDIO."
            )
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    try:
        loaded = spacy.load(pipeline)
    except Exception as error:
        # Whatever is wrong with it, the start must say so: it was asked for.
        raise ConfigurationError(
            f"FLYWHEEL_PRESIDIO is `{pipeline}`, which spaCy cannot load ({' '.join(str(error).split())[:120]}). Run "
            "`.venv/bin/python -m spacy download en_core_web_lg`, or name a folder with a pipeline."
        ) from error
    if not any(loaded.get_pipe_meta(name).factory in _FINDERS for name in loaded.pipe_names):
        raise ConfigurationError(
            f"FLYWHEEL_PRESIDIO is `{pipeline}`, a pipeline that finds no names. Name one with an entity recogniser, "
            "for example `en_core_web_lg`."
        )
    language = loaded.lang
    # Given as it is: Presidio's own way to load one fetches what is missing, and takes the GPU from the model.
    engine = SpacyNlpEngine([{"lang_code": language, "model_name": pipeline}])
    engine.nlp = {language: loaded}
    # Its other recognisers look for what we find ourselves; one of them asks the network.
    registry = RecognizerRegistry([SpacyRecognizer(language)], supported_languages=[language])
    analyser = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])

    def analyse(text: str) -> list[Found]:
        found: list[Any] = analyser.analyze(text, language, entities=list(TYPES))
        return [(one.start, one.end, TYPES[one.entity_type]) for one in found]

    return analyse


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Parts that are read at once, cut between lines or words where that can be."""
    start = 0
    while start < len(text):
        end = min(len(text), start + WINDOW)
        if end < len(text):
            cut = max(text.rfind("\n", start + WINDOW // 2, end), text.rfind(". ", start + WINDOW // 2, end))
            cut = cut if cut > 0 else text.rfind(" ", start + WINDOW // 2, end)
            end = cut + 1 if cut > 0 else end
        yield start, end
        start = end
