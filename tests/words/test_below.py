"""What storage and trainers raise is in the catalogue, and said in the language in use."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from flywheel.imports import import_bytes
from flywheel.tasks.chat import ChatTask
from flywheel.words import below, catalogue
from flywheel.words.below import LAYERS, told, words_of
from storage.errors import Missing
from tests.support.desk import OWNER, Desk
from tests.support.pseudo import CLOSES, OPENS, english, pseudo_file
from tests.support.raised import ROOT, sentences
from trainers import sft
from trainers.job import Job, read_outcome, write_job

ROWS_READ_IN = ("formats", "messages", "readers", "guanaco")
"""What these find wrong with a row is shown with its line."""


@pytest.fixture(autouse=True)
def speaks_english_afterwards() -> Iterator[None]:
    yield
    catalogue.use("en")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


def from_below() -> dict[str, str]:
    return {key: said for key, said in english().items() if key.startswith(LAYERS)}


def test_all_that_is_raised_below_is_in_the_catalogue_and_nothing_else() -> None:
    raised = sentences()
    assert len(raised) > 120
    missing = {where: said for said, where in raised.items() if said not in from_below().values()}
    assert not missing, f"write these into en.toml: {missing}"
    assert not set(from_below().values()) - set(raised), "nothing below says these any more"


def test_each_sentence_from_below_is_found_again_with_its_values(tmp_path: Path) -> None:
    catalogue.use(str(pseudo_file(tmp_path)))
    for key, sentence in from_below().items():
        names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
        filled = sentence.format(**{name: f"<{name} 3.5>" for name in names})
        assert told(filled) == "\n".join(f"{OPENS}{line}{CLOSES}" for line in filled.split("\n")), key


def test_english_is_said_as_it_came() -> None:
    assert told("There is no run 7. Load the page again.") == "There is no run 7. Load the page again."


def test_other_texts_stay_as_they_are(tmp_path: Path) -> None:
    catalogue.use(str(pseudo_file(tmp_path)))
    for text in ("", "There is no run", "x There is no run 7. Load the page again.", "Es gibt keinen Lauf 7."):
        assert told(text) == text


def test_a_text_that_repeats_the_words_between_values_is_told_at_once(tmp_path: Path) -> None:
    catalogue.use(str(pseudo_file(tmp_path)))
    hostile = "`" + "` is `" * 200_000 + "`. Give " * 200_000
    assert told(hostile) == hostile


def test_errors_of_stores_and_trainers_come_in_a_second_language(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "de.toml"
    file.write_text(
        '[storage.datasets]\nno_dataset = "Es gibt keinen Datensatz `{id}`."\n'
        '[trainers.sft]\ntrain_jsonl = "train.jsonl ist leer."\n'
    )
    with pytest.raises(Missing) as missing:
        desk.frozen.rows("d7")
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.jsonl").write_text("")
    write_job(run, Job(str(ROOT / "starter" / "model"), "full", "d1", "0" * 64, max_steps=1))
    assert sft.main([str(run)]) == 1
    catalogue.use(str(file))
    assert words_of(missing.value) == "Es gibt keinen Datensatz `d7`."
    assert told(read_outcome(run).reason) == "train.jsonl ist leer."


def test_reasons_of_rows_come_in_a_second_language(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "de.toml"
    file.write_text(
        '[row]\nhas_no = "`{key}` fehlt"\ntwice = "`{key}` steht zweimal da"\n'
        '[freeze]\nsame_pair = "dasselbe Paar wie `{example}`"\n'
    )
    catalogue.use(str(file))
    lines = (
        b'{"prompt": "a b c", "completion": "d"}\n{"prompt": "x"}\n{"prompt": "x", "prompt": "y", "completion": "z"}\n'
    )
    report = import_bytes(desk.importer, OWNER, "rows.jsonl", lines, approved=True)
    assert [reason for _, reason in report.bad] == ["`completion` fehlt", "`prompt` steht zweimal da"]
    twin = json.dumps({"prompt": "A b  c", "completion": "d"}).encode()
    import_bytes(desk.importer, OWNER, "more.jsonl", twin, approved=True)
    frozen = desk.datasets.freeze(OWNER)
    assert [entry["reason"].split("`")[0] for entry in frozen.refused] == ["dasselbe Paar wie "]
    told_of = desk.datasets.report(OWNER, "d1")
    assert told_of["duplicates"]["same_pair"] == 1


def test_what_is_wrong_with_a_row_is_said_from_the_catalogue() -> None:
    for name in ROWS_READ_IN:
        for node in ast.walk(ast.parse((ROOT / "flywheel" / f"{name}.py").read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ValueError":
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), f"{name}.py:{node.lineno}"


def test_a_reason_is_known_for_what_it_says_in_either_language(tmp_path: Path) -> None:
    said = catalogue.say("freeze.same_pair", example="e1")
    catalogue.use(str(pseudo_file(tmp_path)))
    assert below.is_said("freeze.same_pair", said)
    assert below.is_said("freeze.same_pair", catalogue.say("freeze.same_pair", example="e1"))
    assert not below.is_said("freeze.same_pair", catalogue.say("freeze.was_test"))
