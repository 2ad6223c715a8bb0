"""The words people read: one file a language, and the lookup of a sentence by its key.

Owns the fallback to English, which alone is whole, and what makes a file of another language unusable. Knows no page
and no setting: `use` is told once, at the start of a process, which language speaks.
"""

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from flywheel.errors import ConfigurationError

HERE = Path(__file__).parent
ENGLISH = "en"
CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
VARIABLE = "FLYWHEEL_LANGUAGE"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Catalogue:
    """The sentences of one language by key; `missing` are English's keys that it lacks, `unknown` those only it has."""

    language: str
    sentences: Mapping[str, str]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def say(key: str, /, **values: object) -> str:
    """The sentence of this key in the language in use. `values` fill its placeholders; escape them for HTML before."""
    return spoken(key).format(**values)


def spoken(key: str) -> str:
    """The sentence of this key in the language in use, with its placeholders."""
    return _current.sentences.get(key) or _english.sentences[key]


def say_count(key: str, count: int, /, **values: object) -> str:
    """`key.one` for exactly one, else `key.other`, with `{count}` filled in."""
    return say(f"{key}.one" if count == 1 else f"{key}.other", count=f"{count:,}", **values)


def language() -> str:
    """The code of the language in use."""
    return _current.language


def english() -> Mapping[str, str]:
    """Every sentence by its key, in English."""
    return _english.sentences


def use(name: str) -> Catalogue:
    """Speak the language `name` (a code, or the path of a file) from now on, in this process."""
    global _current
    _current = catalogue(name)
    if _current.missing:
        words = "%d of %d sentences have no `%s` words and are said in English, the first is `%s`"
        log.warning(words, len(_current.missing), len(_english.sentences), name, _current.missing[0])
    return _current


def catalogue(name: str) -> Catalogue:
    """Read and check a language. Raises ConfigurationError with one line that says what is wrong with it."""
    path = find(name)
    sentences = dict(_flat(_read(path)))
    for key, sentence in sentences.items():
        wanted = _english.sentences.get(key)
        if wanted is not None and _placeholders(sentence, path, key) != _placeholders(wanted, path, key):
            told = ", ".join(f"{{{each}}}" for each in sorted(_placeholders(wanted, path, key))) or "none"
            raise ConfigurationError(f"`{key}` in `{path}` has other placeholders than English, which has {told}.")
    missing = tuple(key for key in _english.sentences if key not in sentences)
    unknown = tuple(key for key in sentences if key not in _english.sentences)
    return Catalogue(path.stem, sentences, missing, unknown)


def find(name: str) -> Path:
    """The file of a language. Raises ConfigurationError for one that is not there."""
    is_code = CODE.fullmatch(name) is not None
    path = HERE / f"{name}.toml" if is_code else Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    there = ", ".join(f"`{each.stem}`" for each in sorted(HERE.glob("*.toml")))
    raise ConfigurationError(f"{VARIABLE} is `{name[:200]}`. Set it to {there}, or to the path of a `.toml` file.")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"`{path}` cannot be read as TOML: {error}.") from error


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{key}.")
        elif isinstance(value, str):
            yield key, value
        else:
            raise ConfigurationError(f"`{key}` is {value!r}. Each sentence is a text in quotes.")


def _placeholders(sentence: str, path: Path, key: str) -> frozenset[str]:
    try:
        return frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)
    except ValueError as error:
        raise ConfigurationError(f"`{key}` in `{path}` has a lone brace ({error}).") from error


_english = Catalogue(ENGLISH, dict(_flat(_read(HERE / f"{ENGLISH}.toml"))))
_current = _english
