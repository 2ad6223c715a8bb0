"""Files for other programs, and the way back."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel.errors import Forbidden, InvalidInput, NotFound
from flywheel.exports import export_file, export_lines
from flywheel.formats import FORMATS, PREFERENCES, Pair, as_preferences, as_row, from_row
from flywheel.imports import import_bytes
from flywheel.readers import defused, fused
from flywheel.rows import line
from flywheel.tasks.chat import ChatTask
from storage.examples import NewExample
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk

# Any text that an example may hold: no control token, no null character, no half character, not blank.
text = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        st.sampled_from("\n\r\t\"\\\u2028\x85, {}=+-@'["),
    ),
    min_size=1,
    max_size=40,
).filter(lambda value: value.strip() and "<|im_" not in value)
turns = st.lists(text, min_size=1, max_size=5).filter(lambda texts: len(texts) % 2 == 1)


def conversation(texts: list[str], system: str | None) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": role, "content": said} for role, said in zip(roles, texts, strict=False)]
    return [{"role": "system", "content": system}] * (system is not None) + messages


@settings(max_examples=100, deadline=None)
@given(turns, st.none() | text, text, text)
def test_every_format_gives_back_what_was_written(
    texts: list[str], system: str | None, completion: str, wrong: str
) -> None:
    prompt = conversation(texts, system)
    for form in FORMATS:
        if form in PREFERENCES:
            rows = [json.loads(line(row)) for row in as_preferences(prompt, completion, wrong, form)]
            told = [from_row(row, form) for row in rows]
            assert (told[0].prompt, told[0].completion) == (prompt, completion)
            assert wrong == (told[0].answer if form == "dpo" else told[1].completion)
        else:
            row = json.loads(line(as_row(prompt, completion, form)))
            assert from_row(row, form) == Pair(prompt, completion)
    assert fused(defused(completion)) == completion


@settings(max_examples=3, deadline=None)
@given(
    st.lists(st.tuples(turns, st.none() | text, text, st.none() | text), min_size=1, max_size=12),
)
@pytest.mark.parametrize("format", FORMATS)
def test_export_import_export_is_byte_equal(
    format: str, given_rows: list[tuple[list[str], str | None, str, str | None]]
) -> None:
    with TemporaryDirectory() as folder:
        first, second = (Desk.open(Path(folder) / name, ChatTask()) for name in "ab")
        rows = [
            NewExample(conversation(texts, system), completion, answer=answer, state="approved")
            for texts, system, completion, answer in given_rows
        ]
        first.examples.add_many(rows, by=OWNER.id)
        end = format if format in ("csv", "parquet") else "jsonl"
        out, back = Path(folder) / f"out.{end}", Path(folder) / f"back.{end}"
        count = export_file(first.exporter, OWNER, out, format=format)
        if count:
            report = import_bytes(second.importer, OWNER, out.name, out.read_bytes(), approved=True)
            assert (report.added, report.duplicates, report.bad) == (count // (2 if format == "kto" else 1), 0, [])
            assert import_bytes(second.importer, OWNER, "again", out.read_bytes(), format=format).added == 0
        export_file(second.exporter, OWNER, back, format=format)
        assert back.read_bytes() == out.read_bytes()
        first.database.close()
        second.database.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


def test_openai_rows_are_conversations(desk: Desk) -> None:
    desk.approved([("q", "é")])
    assert list(export_lines(desk.exporter, REVIEWER, format="openai")) == [
        '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "é"}]}\n'
    ]


def test_only_approved_examples_are_exported(desk: Desk) -> None:
    desk.corrected("q", "a", "b")
    desk.approved([("r", "c")])
    assert len(list(export_lines(desk.exporter, REVIEWER))) == 1


def test_dataset_is_exported_by_side(desk: Desk) -> None:
    desk.approved([(f"question {i} about thing {i} and part {i}", "a") for i in range(1, 31)])
    desk.datasets.freeze(OWNER)
    exported = [
        list(export_lines(desk.exporter, REVIEWER, what="dataset", format="prompt-completion", dataset="d1", side=side))
        for side in ("train", "validation", "test")
    ]
    assert [len(rows) for rows in exported] == [21, 3, 6]
    assert "".join(exported[0]) == (desk.home.dataset_dir("d1") / "train.jsonl").read_text()
    whole = export_lines(desk.exporter, REVIEWER, what="dataset", format="prompt-completion")
    assert sorted(whole) == sorted(line for side in exported for line in side)


def test_turns_carry_what_led_to_them(desk: Desk) -> None:
    example = desk.corrected("first", "one", "uno")
    assert example.conversation_id
    user = desk.conversations.add_turn(
        conversation_id=example.conversation_id, parent_id=example.turn_id, role="user", content="second", by=GUEST.id
    )
    for content, state in (("two", "complete"), ("tw", "stopped")):
        desk.conversations.add_turn(
            conversation_id=example.conversation_id,
            parent_id=user.id,
            role="assistant",
            content=content,
            state=state,
            by=GUEST.id,
        )
    rows = [json.loads(line) for line in export_lines(desk.exporter, OWNER, what="turns")]
    assert [[message["content"] for message in row["messages"]] for row in rows] == [
        ["first", "one"],
        ["first", "one", "second", "two"],
    ]


def test_answers_that_a_program_told_are_no_answers_of_a_model(desk: Desk) -> None:
    example = desk.corrected("first", "one", "uno")
    given = desk.conversations.add_turn(
        conversation_id=example.conversation_id or "",
        parent_id=example.turn_id,
        role="assistant",
        content="made up",
        details={"given": True},
        by=GUEST.id,
    )
    assert given.state == "complete"
    rows = [json.loads(line) for line in export_lines(desk.exporter, OWNER, what="turns")]
    assert [row["messages"][-1]["content"] for row in rows] == ["one"]


def test_feedback_stands_beside_the_answer(desk: Desk) -> None:
    example = desk.corrected("q", "a", "b")
    desk.feedback.correct(example.turn_id or "", "b", by=GUEST.id)
    [row] = [json.loads(line) for line in export_lines(desk.exporter, OWNER, what="feedback", format="openai")]
    assert row["messages"][-1]["content"] == "a"
    assert row["feedback"]["rating"] == "down"
    assert row["feedback"]["reasons"] == ["wrong_fact"]
    assert row["feedback"]["correction"] == "b"
    assert row["feedback"]["turn_id"] == example.turn_id


def test_conversations_of_others_need_the_owner(desk: Desk) -> None:
    for what in ("turns", "feedback"):
        with pytest.raises(Forbidden):
            export_lines(desk.exporter, REVIEWER, what=what)
    for what in ("examples", "dataset"):
        with pytest.raises(Forbidden):
            export_lines(desk.exporter, GUEST, what=what)


def test_unknown_wishes_are_named(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`xml` cannot be written"):
        export_lines(desk.exporter, OWNER, format="xml")
    with pytest.raises(InvalidInput, match="`dpo` does not fit `dataset`"):
        export_lines(desk.exporter, OWNER, what="dataset", format="dpo")
    with pytest.raises(InvalidInput, match="`csv` does not fit `turns`"):
        export_lines(desk.exporter, OWNER, what="turns", format="csv")
    with pytest.raises(InvalidInput, match="Parquet is no text"):
        export_lines(desk.exporter, OWNER, format="parquet")
    with pytest.raises(InvalidInput, match="no `runs` to export"):
        export_lines(desk.exporter, OWNER, what="runs")
    with pytest.raises(NotFound, match="Nothing is frozen yet"):
        export_lines(desk.exporter, OWNER, what="dataset")
    with pytest.raises(NotFound, match="no dataset version `d7`"):
        export_lines(desk.exporter, OWNER, what="dataset", dataset="d7")
    with pytest.raises(InvalidInput, match="is a folder"):
        export_file(desk.exporter, OWNER, tmp_path)
    with pytest.raises(InvalidInput, match="cannot be written"):
        export_file(desk.exporter, OWNER, tmp_path / "no" / "such.jsonl")


def test_pair_sent_twice_is_exported_once(desk: Desk) -> None:
    desk.approved([("q", "a")])
    desk.approved([("q", "a")], split="test")
    first = desk.corrected("q", "wrong", "a")
    desk.curation.approve(REVIEWER, first.id)
    assert len(desk.examples.approved()) == 3
    assert len(list(export_lines(desk.exporter, OWNER))) == 1
