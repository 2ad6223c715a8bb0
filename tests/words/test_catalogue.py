"""The catalogue of words: code and English agree, another language is one file, what is wrong with it is said."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from flywheel import errors
from flywheel.doctor import machine
from flywheel.errors import ConfigurationError
from flywheel.settings import read
from flywheel.tasks import sql_errors
from flywheel.tasks.heads import head
from flywheel.texts import check_text
from flywheel.words import catalogue
from flywheel.words.below import LAYERS
from flywheel.words.catalogue import say, say_count
from tests.support.pseudo import english, pseudo_file

ROOT = Path(__file__).parents[2]
ANY = r"[^.]+"
IMPORT = "from flywheel.words.catalogue import "
ENDS = {"say": ("",), "say_count": (r"\.one", r"\.other")}


@pytest.fixture(autouse=True)
def speaks_english_afterwards() -> Iterator[None]:
    yield
    catalogue.use("en")


def patterns() -> Iterator[tuple[str, str]]:
    """Where each `say` stands, and its key as an expression: what is filled in stands for any word."""
    return ((where, pattern) for where, pattern, _ in calls())


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted((ROOT / "flywheel").rglob("*.py")):
        source = path.read_text()
        if IMPORT not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ENDS:
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield from ((where, key_of(node.args[0], where) + end, node) for end in ENDS[node.func.id])


def key_of(node: ast.expr, where: str) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    assert all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts), f"{where}: write the key there"
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ANY for part in parts)


def test_every_key_in_code_exists_and_every_sentence_is_used() -> None:
    keys, used = english(), set()
    for where, pattern in patterns():
        found = {key for key in keys if re.fullmatch(pattern, key)}
        assert found, f"{where}: no sentence `{pattern}` in en.toml"
        used |= found
    # What the layers below raise is told from its English form: tests/words/test_below.py.
    unsaid = {key for key in set(keys) - used if not key.startswith(LAYERS)}
    assert not unsaid, f"nothing says {sorted(unsaid)}"


def test_every_sentence_is_given_what_it_names() -> None:
    keys = english()
    whole = {pattern for _, pattern, _ in calls() if ANY not in pattern}
    for where, pattern, call in calls():
        given = {word.arg for word in call.keywords} | ({"count"} if call.func.id == "say_count" else set())
        for key in () if None in given else (key for key in keys if re.fullmatch(pattern, key)):
            if ANY in pattern and re.escape(key) in whole:
                continue
            named = {name for _, name, _, _ in Formatter().parse(keys[key]) if name is not None}
            assert named <= given, f"{where}: `{key}` names {named - given}, which is not given"


def test_every_sentence_has_words_and_no_exclamation_mark() -> None:
    for key, sentence in english().items():
        assert sentence.strip() == sentence != "" and "!" not in sentence, key


def test_another_language_is_one_file_and_english_fills_its_gaps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "de.toml"
    file.write_text('[history]\nchats = "Gespräche"\n[chat]\nleft_out = "{count} Nachrichten fehlen."\nnew = "?"')
    used = catalogue.use(str(file))
    assert used.language == "de" and say("history.chats") == "Gespräche" and say("app.title") == "Flywheel"
    assert say("chat.left_out", count=3) == "3 Nachrichten fehlen."
    assert len(used.missing) == len(english()) - 2 - ("chat.new" in english())
    assert f"{len(used.missing)} of {len(english())}" in caplog.text


def test_a_second_language_needs_no_code(tmp_path: Path) -> None:
    file = tmp_path / "de.toml"
    file.write_text(
        '[words.rows]\none = "{count} Zeile"\nother = "{count} Zeilen"\n[head]\ncount = "Anzahl"\n'
        '[guard]\ntable = "Die Tabelle `{name}` ist nicht erlaubt."\n'
        '[refusal]\nno_table = "Es gibt keine Tabelle `{table}`."\nthere_are = "Es gibt {tables}."\n'
        '[gate]\nbetter = "{told}: besser."\n'
        '[error.text]\nempty = "{what} ist leer."\n[text]\nmessage = "Ihre Nachricht"'
    )
    settings = read({"FLYWHEEL_LANGUAGE": str(file), "FLYWHEEL_HOME": str(tmp_path / "home")})
    used = catalogue.use(settings.language)
    assert (say_count("words.rows", 1), say_count("words.rows", 2)) == ("1 Zeile", "2 Zeilen")
    assert head("count_star()") == "Anzahl" and head("sum(total)") == "sum of total"
    with pytest.raises(errors.InvalidInput, match="Ihre Nachricht ist leer"):
        check_text(" ", "message", 10)
    reason = say("guard.table", name="users")
    told = sql_errors.refusal(reason, {"orders": [("id", "BIGINT")]})
    assert (reason, told) == (
        "Die Tabelle `users` ist nicht erlaubt.",
        "Es gibt keine Tabelle `users`. Es gibt `orders`.",
    )
    (finding,) = machine.language(settings)
    assert (finding.level, len(used.missing)) == ("warning", len(english()) - 9)
    assert f"{len(used.missing)} are missing" in finding.words


def test_numbers_choose_between_one_and_more() -> None:
    assert (say_count("words.rows", 1), say_count("words.rows", 1200)) == ("1 row", "1,200 rows")


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[chat]\nleft_out = "{number} fehlen."', "`chat.left_out` .* {count}"),
        ('[chat]\nleft_out = "es fehlen {"', "lone brace"),
        ("[chat]\nleft_out = 3", "`chat.left_out` is 3"),
        ("chat = ", "cannot be read as TOML"),
    ],
)
def test_a_language_that_would_break_a_page_is_refused(toml: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "xx.toml"
    file.write_text(toml)
    with pytest.raises(ConfigurationError, match=told):
        catalogue.use(str(file))


def test_all_languages_here_are_whole_or_fall_back_and_have_english_placeholders() -> None:
    for path in catalogue.HERE.glob("*.toml"):
        assert not catalogue.catalogue(path.stem).unknown


def test_a_language_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="FLYWHEEL_LANGUAGE is `tlh`"):
        read({"FLYWHEEL_LANGUAGE": "tlh"})


def test_a_pseudo_language_is_whole(tmp_path: Path) -> None:
    assert not catalogue.use(str(pseudo_file(tmp_path))).missing and say("history.chats") == "⟦Chats⟧"


OF_COMMANDS = re.compile(
    r"flywheel/(addresses|backups|cli|client|demo|deploying|problem|product_files|setting\w*|spacefile|synthesis_journal"
    r"|(operations|rest)/.*)\.py"
)
"""What is said in a terminal, and to programs."""


def messages() -> Iterator[tuple[str, ast.expr]]:
    """Where an error for people is made on the way to a page, and what it says."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {"ConfigurationError"}
    for path in sorted((ROOT / "flywheel").rglob("*.py")):
        if OF_COMMANDS.fullmatch(path.relative_to(ROOT).as_posix()):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0]


def test_an_error_on_a_page_is_said_from_the_catalogue() -> None:
    shapes = (ast.JoinedStr, ast.Constant, ast.BinOp)
    literal = [
        where
        for where, said in messages()
        if isinstance(said, shapes) or (isinstance(said, ast.Name) and said.id.isupper())
    ]
    assert not literal, f"write these into en.toml: {literal}"
