"""Rows of other programs: each format is told by its keys, and what cannot be used is said in words."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from flywheel import formats, parquet, parser
from flywheel.errors import InvalidInput
from flywheel.exports import WHAT, export_file, export_lines
from flywheel.formats import Pair, format_of, from_row
from flywheel.imports import ImportReport, import_bytes
from flywheel.tasks.chat import ChatTask
from storage.examples import NewExample
from tests.support.desk import OWNER, REVIEWER, STARTER_DATA, Desk, asked

TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
WEBUI: dict[str, Any] = {
    "data": {"rating": -1},
    "meta": {"message_id": "2"},
    "snapshot": {"chat": {"chat": {"history": {"messages": {
        "1": {"id": "1", "parentId": None, "role": "user", "content": "q"},
        "2": {"id": "2", "parentId": "1", "role": "assistant", "content": "a"},
    }}}}},
}  # fmt: skip

ROWS: list[tuple[str, dict[str, Any], Pair]] = [
    ("openai", {"messages": TALK}, Pair(asked("q"), "a")),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        Pair(asked("q"), "a"),
    ),
    (
        "sharegpt",
        {"system": "s", "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
        Pair([{"role": "system", "content": "s"}, *asked("q")], "a"),
    ),
    ("alpaca", {"instruction": "q", "output": "a"}, Pair(asked("q"), "a")),
    ("question", {"term": "t", "question": "q", "correction": "a"}, Pair(asked("q"), "a")),
    ("question", {"term": "t", "question": "q", "sql": "a"}, Pair(asked("q"), "a")),
    ("alpaca", {"instruction": "q", "input": "i", "output": "a"}, Pair(asked("q\ni"), "a")),
    (
        "alpaca",
        {"instruction": "r", "input": None, "output": "b", "history": [["q", "a"]], "system": "s"},
        Pair([{"role": "system", "content": "s"}, *TALK, *asked("r")], "b"),
    ),
    ("dpo", {"prompt": "q", "chosen": "a", "rejected": "b"}, Pair(asked("q"), "a", "b")),
    ("dpo", {"chosen": TALK, "rejected": [TALK[0], {"role": "assistant", "content": "b"}]}, Pair(asked("q"), "a", "b")),
    ("kto", {"prompt": "q", "completion": "a", "label": False}, Pair(asked("q"), "a", label=False)),
    ("guanaco", {"text": "### Human: q ### not mine ### Assistant: a"}, Pair(asked("q ### not mine"), "a")),
    ("open-webui", WEBUI, Pair(asked("q"), "a", label=False)),
]  # fmt: skip


@pytest.mark.parametrize(("format", "row", "pair"), ROWS)
def test_row_of_another_program_is_read(format: str, row: dict[str, Any], pair: Pair) -> None:
    assert format_of(row) == format
    assert from_row(row, format) == pair


BAD = [
    ("sharegpt", {"conversations": "x"}, "`conversations` is no list"),
    ("sharegpt", {"conversations": [{"from": "tool", "value": "x"}]}, "is from `tool`"),
    ("sharegpt", {"conversations": [{"value": "x"}]}, "no object with `from` and `value`"),
    ("sharegpt", {"conversations": [{"from": "human", "value": "q"}]}, "not by `assistant`"),
    ("sharegpt", {"conversations": [{"from": "human", "value": None}]}, "no text"),
    ("sharegpt", {"conversations": TALK, "tools": '[{"name": "f"}]'}, "it offers `tools` to the model"),
    ("openai", {"messages": TALK, "functions": [{"name": "f"}]}, "it offers `functions` to the model"),
    ("alpaca", {"instruction": "q"}, "it has no `output`"),
    ("alpaca", {"instruction": ["q"], "output": "a"}, "`instruction` is no text"),
    ("alpaca", {"instruction": "q", "output": "a", "history": [["q"]]}, "entry 1 of `history` is no pair"),
    ("dpo", {"prompt": "q", "chosen": "a"}, "it has no `rejected`"),
    ("dpo", {"prompt": "other", "chosen": TALK, "rejected": "b"}, "`chosen` is a conversation with another prompt"),
    ("kto", {"prompt": "q", "completion": "a", "label": "yes"}, "`label` is neither true nor false"),
    ("guanaco", {"text": "Once upon a time"}, "does not begin with `### Human:`"),
    ("open-webui", {"snapshot": {}, "data": {}}, "no rating of a message"),
    ("open-webui", {"snapshot": None, "data": {}}, "'chat' is missing"),
    ("open-webui", WEBUI | {"data": {"rating": None}}, "'rating' is missing"),
    ("openai", [], "it is no JSON object"),
]


@pytest.mark.parametrize(("format", "row", "words"), BAD)
def test_row_that_cannot_be_used_says_why(format: str, row: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_row(row, format)


def test_command_line_knows_the_formats() -> None:
    assert parser.FORMATS == formats.FORMATS and parser.READ_ONLY == formats.READ_ONLY and parser.WHAT == WHAT


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


def bring(desk: Desk, name: str, data: bytes, **how: Any) -> ImportReport:
    return import_bytes(desk.importer, REVIEWER, name, data, **how)


def test_wrong_answer_joins_the_right_one_before_it(desk: Desk) -> None:
    rows = [("q", "a", True), ("q", "b", False), ("r", "c", False)]
    lines = [json.dumps({"prompt": p, "completion": c, "label": label}) for p, c, label in rows]
    report = bring(desk, "k.jsonl", "\n".join(lines).encode())
    assert (report.added, report.format) == (1, "kto")
    assert report.bad == [(3, "it says only what should not be said, and the row before is no right answer to it")]
    [example] = desk.curation.inbox(REVIEWER)
    assert (example.completion, example.answer) == ("a", "b")


def test_corrections_become_preferences(desk: Desk) -> None:
    desk.curation.approve(REVIEWER, desk.corrected("q", "ask bob@example.com", "ask Ann").id)
    desk.approved([("no wrong answer", "a")])
    [row] = map(json.loads, export_lines(desk.exporter, REVIEWER, what="preferences"))
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("ask Ann", "ask [EMAIL]")
    kto = [json.loads(text) for text in export_lines(desk.exporter, REVIEWER, what="preferences", format="kto")]
    assert [(row["completion"][0]["content"], row["label"]) for row in kto] == [
        ("ask Ann", True),
        ("ask [EMAIL]", False),
    ]


FORMULAS = ["=1+1", "+cmd", "-1+1", "@x", "\tx", "\rx", "'=x", "''=x"]


def test_table_holds_no_formula_and_gives_the_texts_back(desk: Desk, tmp_path: Path) -> None:
    desk.approved([(text, f"{text} a") for text in FORMULAS] + [("'quoted'", "it's"), ('[{"role": 1}]', "a")])
    out = tmp_path / "out.csv"
    assert export_file(desk.exporter, OWNER, out) == 10
    cells = [cell for row in csv.reader(io.StringIO(out.read_bytes().decode(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert bring(desk, "out.csv", out.read_bytes()).duplicates == 10


def packed(**columns: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return bytes(sink.getvalue())


def test_parquet_rows_come_in_and_bad_ones_are_numbered(desk: Desk) -> None:
    data = packed(prompt=["q", None, "r"], completion=["a", "b", ""], extra=[1.5, float("nan"), None])
    report = bring(desk, "rows.parquet", data)
    assert (report.added, report.format) == (1, "parquet")
    assert report.bad == [(2, "it has no `prompt`"), (3, "the completion is empty")]


def test_parquet_of_messages_comes_in(desk: Desk) -> None:
    assert bring(desk, "rows.parquet", packed(messages=[TALK, TALK[:1]])).added == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be read as Parquet"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "cannot be read as Parquet"),
        (packed(a=[1], b=[2]), "none of the columns of a known format, only `a`, `b`"),
        (packed(**{f"c{i}": [1] for i in range(1_001)}), "has 1,001 columns"),
    ],
    ids=["empty", "torn", "foreign", "wide"],
)
def test_unusable_parquet_is_named(desk: Desk, data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        bring(desk, "rows.parquet", data)


def test_parquet_that_unpacks_to_too_much_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pyarrow.array(["x" * 1_000_000] * 20)
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        pyarrow.table({"prompt": texts, "completion": texts}), sink, use_dictionary=False, compression="zstd"
    )
    bomb = bytes(sink.getvalue())
    with pytest.raises(InvalidInput, match="would unpack to more than can be read safely"):
        bring(desk, "rows.parquet", bomb)
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        bring(desk, "rows.parquet", bomb[: len(bomb) // 2])


def test_damaged_page_is_named(desk: Desk) -> None:
    data = bytearray(packed(prompt=[f"question {i}" for i in range(500)], completion=["a"] * 500))
    data[8:60] = b"\xff" * 52
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        bring(desk, "rows.parquet", bytes(data))


def test_same_rows_give_the_same_parquet() -> None:
    rows = [formats.as_row(asked("q"), "a", "parquet")]
    assert parquet.write(rows) == parquet.write(rows)
    table = pyarrow.parquet.read_table(io.BytesIO(parquet.write(rows)))
    assert table.to_pylist() == rows


def test_file_of_nothing_to_export_is_whole(desk: Desk, tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.csv", "x.parquet"):
        assert export_file(desk.exporter, OWNER, tmp_path / name) == 0
    assert (tmp_path / "x.csv").read_text() == "prompt,completion\n"
    desk.examples.add_many([NewExample(asked("q"), "a", state="approved")], by=OWNER.id)
    assert export_file(desk.exporter, OWNER, tmp_path / "x.parquet", format="openai") == 1
    assert json.loads((tmp_path / "x.parquet").read_text())["messages"] == TALK


def test_the_starters_own_files_can_be_imported(desk: Desk) -> None:
    for name in ("corrections", "phrasings"):
        content = (STARTER_DATA / name / "big_ticket.jsonl").read_bytes()
        report = import_bytes(desk.importer, REVIEWER, "big_ticket.jsonl", content)
        assert report.bad == [] and report.added + report.duplicates == content.count(b"\n")


def test_parquet_with_a_hostile_schema_gives_bad_rows_and_no_more(desk: Desk) -> None:
    """Known columns of types that no format has: each row is named, nothing is run, nothing breaks."""
    import pyarrow as pa

    deep: pa.DataType = pa.string()
    for _ in range(12):
        deep = pa.list_(pa.struct([("role", pa.string()), ("content", deep)]))
    hostile = [
        pa.table({"prompt": [1, 2], "completion": [b"\xff", b"a"]}),
        pa.table({"messages": pa.array([None, None], deep), "text": ["x", "y"]}),
        pa.table(
            {"prompt": pa.array([[("role", "user")]] * 2, pa.map_(pa.string(), pa.string())), "completion": ["a"] * 2}
        ),
        pa.table({"prompt": ["q", "r"], "completion": pa.array([float("nan"), None]), "\n`x`": ["a", "b"]}),
        pa.table({"prompt": pa.array(["q"] * 2).dictionary_encode(), "completion": pa.array([[], [None]])}),
    ]
    for table in hostile:
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(table, sink)
        report = import_bytes(desk.importer, REVIEWER, "rows.parquet", bytes(sink.getvalue()))
        assert (report.added, [number for number, _ in report.bad]) == (0, [1, 2])
        assert all(reason and "Error" not in reason for _, reason in report.bad)
    assert desk.examples.listing() == []
