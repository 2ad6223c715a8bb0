"""Names and places, where the owner asks for Presidio: how its finds join ours, and what a start says without it."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel.errors import ConfigurationError, InvalidInput
from flywheel.redaction import presidio
from flywheel.redaction.lines import redact_lines
from flywheel.redaction.pairs import private
from flywheel.redaction.redact import find, redact, use
from flywheel.services import build_services
from tests.support.app import settings_for

INSTALLED = importlib.util.find_spec("presidio_analyzer") is not None
REASON = "the optional presidio-analyzer is not installed (docs/review.md tells how)"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    use(None)


def known(text: str) -> list[tuple[int, int, str]]:
    """What a language model would find, for a few words."""
    names = {"Ann Miller": "NAME", "Berlin": "PLACE"}
    return [(at, at + len(n), type) for n, type in names.items() for at in [text.find(n)] if at >= 0]


@pytest.mark.skipif(INSTALLED, reason="presidio-analyzer is installed here")
def test_a_start_without_it_says_what_to_install_and_holds_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", presidio="en_core_web_lg")
    for _ in "12":
        with pytest.raises(
            ConfigurationError, match=r"FLYWHEEL_PRESIDIO is `en_core_web_lg`.*pip install presidio-ana"
        ):
            build_services(settings, load=False)


def test_names_join_what_has_a_form_and_stay_away_from_code() -> None:
    text = "Ann Miller of Berlin, ann@example.com"
    assert redact(text).text == "Ann Miller of Berlin, [EMAIL]"
    use(known)
    assert redact(text).text == "[NAME] of [PLACE], [EMAIL]"
    assert redact(redact(text).text).spans == []
    sql = "SELECT * FROM customers WHERE city = 'Berlin' AND mail = 'a@b.example'"
    assert [span.type for span in find(sql)] == ["EMAIL"]
    assert [span.type for span in find(f"Ann Miller asks:\n```sql\n{sql}\n```")] == ["NAME", "EMAIL"]
    assert private([{"role": "user", "content": text}], sql) == (
        "the prompt holds 1 EMAIL, 1 NAME, 1 PLACE and the completion holds 1 EMAIL"
    )


def test_what_is_too_long_is_told_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio, "_analyser", lambda pipeline: known)
    names = presidio.finder("any")
    text = "word " * 3000 + "Ann Miller"
    assert names(text) == ((15_000, 15_010, "NAME"),)
    assert "".join(text[a:b] for a, b in presidio._windows(text)) == text
    with pytest.raises(InvalidInput, match="400,000 characters long, and names are looked for in at most 200,000"):
        names("Ann " * 100_000)
    use(names)
    long, short = redact_lines(['{"text": "' + "Ann " * 100_000 + '"}', '{"text": "Berlin"}'])
    assert "at most 200,000" in long["error"] and short["text"] == "[PLACE]"
    monkeypatch.setattr(presidio, "MOST_S", -1.0)
    with pytest.raises(InvalidInput, match="had not read them"):
        names("a text that was not seen before")


def test_presidio_itself_finds_names_and_places(tmp_path: Path) -> None:
    pytest.importorskip("presidio_analyzer", reason=REASON)
    spacy = pytest.importorskip("spacy", reason=REASON)
    blank = spacy.blank("en")
    blank.to_disk(tmp_path / "blank")
    ruler = blank.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ann Miller"}, {"label": "GPE", "pattern": "Berlin"}])
    blank.to_disk(tmp_path / "names")
    presidio.look_for_names(str(tmp_path / "names"))
    assert redact("Ann Miller of Berlin, ann@example.com").text == "[NAME] of [PLACE], [EMAIL]"
    presidio.look_for_names("")
    assert redact("Ann Miller of Berlin").spans == []
    for pipeline, words in ((tmp_path / "blank", "finds no names"), ("nowhere_at_all", "spaCy cannot load")):
        with pytest.raises(ConfigurationError, match=words):
            presidio.look_for_names(str(pipeline))
