"""The bundled files: every answer in them runs, and no question stands on two sides."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from starter import bundle, jargon, paths, questions
from starter.answers import Shop, is_sql
from starter.questions import normal

HANDWRITTEN = [paths.HANDWRITTEN_DEV_FILE, paths.HANDWRITTEN_EARLY_FILE, paths.HANDWRITTEN_TEST_FILE]
TERM_FILES = [f(term) for term in paths.TERMS for f in (paths.corrections_file, paths.phrasings_file)]


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def pair(row: dict[str, Any]) -> tuple[str, str | None]:
    if "prompt" in row:
        return row["prompt"][0]["content"], row["completion"][0]["content"]
    return row["question"], row.get("sql", row.get("correction"))


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as opened:
        yield opened


@pytest.mark.parametrize("file", TERM_FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_term_answers_return_something(file: Path, shop: Shop) -> None:
    silent = [row["question"] for row in rows(file) if not jargon.says_something(shop.result(pair(row)[1] or ""))]
    assert silent == []
    assert {row["term"] for row in rows(file)} == {file.stem}


@pytest.mark.parametrize("file", [paths.REPLAY_FILE, paths.GENERAL_FILE], ids=lambda file: file.stem)
def test_bundled_answers_run_or_refuse(file: Path, shop: Shop) -> None:
    for row in rows(file):
        answer = pair(row)[1] or ""
        assert shop.result(answer) is not None if is_sql(answer) else answer in questions.REFUSALS


@pytest.mark.parametrize("file", HANDWRITTEN, ids=lambda file: file.stem)
def test_handwritten_answers_return_something(file: Path, shop: Shop) -> None:
    assert [row["question"] for row in rows(file) if row["sql"] and not shop.result(row["sql"])] == []


def test_files_hold_enough_rows() -> None:
    assert len(rows(paths.GENERAL_FILE)) >= 300
    assert 600 <= len(rows(paths.REPLAY_FILE)) <= 2000
    assert [len(rows(file)) for file in HANDWRITTEN] == [40, 80, 80]
    assert len(rows(paths.phrasings_file("big_ticket"))) >= 60
    assert all(len(rows(paths.phrasings_file(term))) >= 40 for term in paths.TERMS)
    assert all(len(rows(paths.corrections_file(term))) >= 40 for term in paths.TERMS)


def test_no_question_stands_in_two_files() -> None:
    files = [
        paths.REPLAY_FILE,
        paths.GENERAL_FILE,
        *HANDWRITTEN,
        *TERM_FILES,
    ]
    seen: dict[str, Path] = {}
    for file in files:
        for row in rows(file):
            question = normal(pair(row)[0])
            assert question not in seen, f"{pair(row)[0]!r} stands in {seen[question]} and {file}"
            seen[question] = file


def test_taught_and_tested_wordings_differ() -> None:
    for term in jargon.TERMS:
        assert not {wording for wording, _ in term.corrections} & {wording for wording, _ in term.phrasings}


def test_bundle_writes_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, names = paths.DATA_DIR, ["DATA_DIR", "REPLAY_FILE", "GENERAL_FILE"]
    before = {file: file.read_bytes() for file in (paths.REPLAY_FILE, paths.GENERAL_FILE, *TERM_FILES)}
    monkeypatch.setattr(paths, "STARTER_DIR", tmp_path)
    for name, value in zip(names, (tmp_path, tmp_path / "replay.jsonl", tmp_path / "general.jsonl"), strict=True):
        monkeypatch.setattr(paths, name, value)
    bundle.main()
    assert {file: (tmp_path / file.relative_to(data)).read_bytes() for file in before} == before


def test_unknown_term_is_named() -> None:
    with pytest.raises(ValueError, match="`bigticket`"):
        paths.corrections_file("bigticket")


def test_examples_are_questions_for_the_first_visit() -> None:
    examples = json.loads(paths.EXAMPLES_FILE.read_text(encoding="utf-8"))
    assert 6 <= len(examples) <= 10
    assert all(isinstance(text, str) and re.search(r"[?.]$", text) for text in examples)
