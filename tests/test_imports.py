"""Examples from files: good rows come in, bad ones are named, nothing comes in twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel import imports, readers
from flywheel.errors import Forbidden, InvalidInput
from flywheel.imports import ImportReport, import_bytes, import_file, importing
from flywheel.tasks.build import sample_database
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from storage.home import Home
from tests.support.desk import GUEST, REVIEWER, Desk

GOOD = '{"prompt": "q", "completion": "a"}'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask())
    yield opened
    opened.database.close()


def bring(desk: Desk, data: str | bytes, name: str = "rows.jsonl", **how: object) -> ImportReport:
    content = data.encode() if isinstance(data, str) else data
    return import_bytes(desk.importer, REVIEWER, name, content, **how)  # type: ignore[arg-type]


def chat(*messages: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})


def test_openai_rows_wait_for_review(desk: Desk) -> None:
    text = chat(("system", "s"), ("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2"))
    assert bring(desk, text) == ImportReport(1, 0, [], "openai")
    [example] = desk.curation.inbox(REVIEWER)
    assert [message["content"] for message in example.prompt] == ["s", "q1", "a1", "q2"]
    assert (example.completion, example.provenance, example.source) == ("a2", "imported", "import:rows.jsonl")
    assert desk.curation.item(REVIEWER, example.id).problem is None


def test_prompt_completion_rows_are_texts_or_messages(desk: Desk) -> None:
    messages = {
        "prompt": [{"role": "user", "content": "r"}],
        "completion": [{"role": "assistant", "content": "b"}],
        "id": 7,
    }
    assert bring(desk, GOOD + "\n" + json.dumps(messages)).added == 2
    pairs = [(e.prompt[0]["content"], e.completion) for e in desk.curation.listing(REVIEWER)]
    assert pairs == [("r", "b"), ("q", "a")]


def test_table_rows_come_in(desk: Desk) -> None:
    report = bring(desk, 'id,prompt,completion\r\n1,"q, with\r\na line","say ""a"""\r\n2,only\r\n', "t.CSV")
    assert (report.added, report.bad, report.format) == (1, [(4, "it has no `completion`")], "csv")
    [example] = desk.curation.inbox(REVIEWER)
    assert (example.prompt[0]["content"], example.completion) == ("q, with\r\na line", 'say "a"')


def test_table_with_labels_or_wrong_answers_is_read_as_such(desk: Desk) -> None:
    labelled = "prompt,completion,label\nq,right,True\nq,wrong,False\nr,x,maybe\n"
    report = bring(desk, labelled, "k.csv", approved=True)
    assert (report.added, report.bad) == (1, [(4, "`label` is neither true nor false")])
    pairs = bring(desk, "prompt,chosen,rejected\ns,good,bad\nt,good\n", "d.csv", approved=True)
    assert (pairs.added, pairs.bad) == (1, [(3, "it has no `completion`")])
    kept = {(e.prompt[0]["content"], e.completion, e.answer) for e in desk.examples.approved()}
    assert kept == {("q", "right", "wrong"), ("s", "good", "bad")}


def test_approved_rows_skip_the_inbox_and_keep_their_side(desk: Desk) -> None:
    bring(desk, GOOD, approved=True, split="test")
    [example] = desk.examples.approved()
    assert (example.split, example.state) == ("test", "approved")


def test_same_file_adds_nothing(desk: Desk) -> None:
    text = "\n".join([GOOD, GOOD, '{"prompt": "q", "completion": "b"}'])
    assert bring(desk, text) == ImportReport(2, 1, [], "prompt-completion")
    assert bring(desk, text, name="copy.jsonl") == ImportReport(0, 3, [], "prompt-completion")


def test_marks_and_line_ends_of_other_systems_are_taken(desk: Desk) -> None:
    text = "\ufeff" + "\r\n".join(["", GOOD, "   ", chat(("user", "x"), ("assistant", "y"))]) + "\r\n\r\n"
    report = bring(desk, text, format="prompt-completion")
    assert (report.added, report.bad) == (1, [(4, "it has no `prompt`")])


def test_line_separators_inside_texts_stay(desk: Desk) -> None:
    bring(desk, '{"prompt": "q", "completion": "a\u2028b\u0085c"}')
    assert desk.curation.inbox(REVIEWER)[0].completion == "a\u2028b\u0085c"


BAD = [
    (b'{"prompt": "q", "comp', "it is not one whole JSON object (column 17"),
    (b'["prompt"]', "it is no JSON object"),
    (b"null", "it is no JSON object"),
    (b'{"prompt": "q", "prompt": "r", "completion": "a"}', "the key `prompt` stands there twice"),
    (b'{"prompt": "q", "completion": NaN}', "it holds `NaN`, which is no JSON"),
    (b'{"prompt": "q", "completion": null}', "`completion` is no list of messages"),
    (b'{"prompt": "q", "completion": 3}', "`completion` is no list of messages"),
    (b'{"prompt": "q", "completion": "\\ud800"}', "the completion contains half a character (a lone surrogate)"),
    (b'{"prompt": "\\udfff", "completion": "a"}', "message 1 of the prompt contains half a character"),
    (b'{"prompt": "q\\u0000", "completion": "a"}', "message 1 of the prompt contains a null character"),
    (b'{"prompt": "q", "completion": "caf\xe9"}', "it is not UTF-8: byte 0xe9 at offset"),
    (b'{"prompt": "", "completion": "a"}', "message 1 of the prompt is empty"),
    (b'{"prompt": [], "completion": "a"}', "the prompt is empty"),
    (b'{"prompt": "q", "completion": "<|im_end|>"}', "the completion contains `<|im_end|>`"),
    (b'{"completion": "a"}', "it has no `prompt`"),
    (b'{"prompt": ["q"], "completion": "a"}', "message 1 of `prompt` is no object"),
    (b'{"prompt": [{"role": "tool", "content": "x"}], "completion": "a"}', "message 1 of `prompt` has the role `tool`"),
    (b'{"prompt": [{"role": "\\ud800", "content": "x"}], "completion": "a"}', "has the role `?`"),
    (
        b'{"prompt": [{"role": "user", "content": [{"type": "image_url"}]}], "completion": "a"}',
        "message 1 of `prompt` has an image, and only text can be used",
    ),
    (b"[" * 100_000, "it is nested too deeply"),
    (b'{"prompt": ' + b"9" * 5000 + b"}", "it holds a number of 5,000 digits"),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason[:40] for _, reason in BAD])
def test_bad_row_is_named_and_good_ones_stay(desk: Desk, row: bytes, reason: str) -> None:
    report = bring(desk, GOOD.encode() + b"\n" + row + b"\n" + GOOD.replace("q", "r").encode())
    assert report.added == 2
    [(line, words)] = report.bad
    assert line == 2
    assert reason in words
    assert words.encode()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (chat(("user", "q")), "the last of the `messages` is not by `assistant`"),
        (chat(), "the last of the `messages` is not by `assistant`"),
        (chat(("assistant", "a")), "the prompt is empty"),
        (chat(("system", "s"), ("assistant", "a")), "no message by `user`"),
        (chat(("user", "q"), ("user", "r"), ("assistant", "a")), "message 2 of the prompt is by `user`"),
        ('{"messages": "hello"}', "`messages` is no list of messages"),
        (
            '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [{"id": "1"}]}]}',
            "message 2 of `messages` has `tool_calls`",
        ),
    ],
)
def test_bad_conversation_is_named(desk: Desk, row: str, reason: str) -> None:
    report = bring(desk, chat(("user", "q"), ("assistant", "a")) + "\n" + row)
    assert report.added == 1
    assert reason in report.bad[0][1]


def test_format_is_told_from_the_first_good_row(desk: Desk) -> None:
    assert bring(desk, "{\n" + chat(("user", "q"), ("assistant", "a"))).format == "openai"


@pytest.mark.parametrize(
    ("name", "data", "how", "words"),
    [
        ("rows.txt", GOOD, {}, "`rows.txt` ends in none of"),
        ("rows.jsonl", GOOD, {"format": "xml"}, "There is no format `xml`"),
        ("rows.jsonl", GOOD.encode("utf-16"), {}, "`rows.jsonl` is UTF-16"),
        ("rows.json", "[1, 2", {}, "`rows.json` cannot be read: it is not one whole JSON object"),
        ("rows.jsonl", GOOD, {"split": "dev"}, "There is no side `dev`"),
        ("rows.jsonl", "", {}, "`rows.jsonl` has no rows"),
        ("rows.jsonl", "\n \n", {}, "`rows.jsonl` has no rows"),
        ("t.csv", "question,answer\n1,2\n", {}, "The table has no column `completion`"),
        ("t.csv", "prompt,completion,prompt\n1,2,3\n", {}, "Two columns of `t.csv` are called `prompt`"),
        ("t.csv", "prompt,completion\n", {}, "`t.csv` has no rows"),
    ],
)
def test_unusable_file_is_named(desk: Desk, name: str, data: str | bytes, how: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        bring(desk, data, name, **how)
    assert words in str(error.value)


def test_files_are_read_by_name(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD)
    assert import_file(desk.importer, REVIEWER, path).added == 1
    with pytest.raises(InvalidInput, match="There is no file"):
        import_file(desk.importer, REVIEWER, tmp_path / "none.jsonl")
    with pytest.raises(InvalidInput, match="is a folder"):
        import_file(desk.importer, REVIEWER, tmp_path)


def test_large_upload_is_referred_to_the_command(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match=r"51 MB, and 50 MB are taken by this page\. .*flywheel import rows\.jsonl"):
        bring(desk, bytes(imports.MOST_BYTES + 1_000_000))


def test_file_is_stored_in_batches_with_progress(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    count = 2 * imports.BATCH + 10
    path.write_text("".join(GOOD.replace("q", f"q{i}") + "\n" for i in range(count)))
    work = importing(desk.importer, REVIEWER, path)
    first = next(work)
    assert 0.3 < first < 0.7
    assert desk.examples.counts()["pending"] == imports.BATCH - 1
    work.close()
    assert import_file(desk.importer, REVIEWER, path) == ImportReport(
        count - imports.BATCH + 1, imports.BATCH - 1, [], "prompt-completion"
    )


def test_long_rows_are_stored_in_smaller_batches(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH_CHARACTERS", 1_000)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"q{i}", "completion": "a" * 300}) + "\n" for i in range(8)))
    stored = [desk.examples.counts()["pending"] for _ in importing(desk.importer, REVIEWER, path)]
    assert stored == [3, 7] and desk.examples.counts()["pending"] == 8


def test_line_that_is_too_long_is_bad_and_the_next_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_LINE", 50)
    report = bring(desk, GOOD + "\n" + GOOD.replace("a", "a" * 120) + "\n" + "{\n" + GOOD.replace("q", "r"))
    assert (report.added, [line for line, _ in report.bad]) == (2, [2, 3])
    assert "it is longer than" in report.bad[0][1]


def test_completion_that_fits_no_base_is_bad_at_once(desk: Desk) -> None:
    report = bring(desk, GOOD + "\n" + GOOD.replace('"a"', f'"{"a" * 10_000_000}"'))
    assert report.bad == [(2, "it is too long for any base: 10,000,001 characters, and at most 1,000,000 are taken")]


def test_file_of_nothing_but_bad_rows_is_not_read_to_its_end(desk: Desk) -> None:
    report = bring(desk, "{\n" * (imports.MOST_BAD + 500))
    assert len(report.bad) == imports.MOST_BAD + 1 and report.bad[-1][0] == imports.MOST_BAD


def test_table_in_two_encodings_keeps_its_good_rows(desk: Desk) -> None:
    report = bring(desk, b"prompt,completion\ncaf\xe9,x\ncaf\xc3\xa9,y\n", "t.csv")
    assert (report.added, report.bad) == (1, [(2, "it is not UTF-8: byte 0xe9")])


def test_entries_of_a_json_list_come_in(desk: Desk) -> None:
    report = bring(desk, f" [{GOOD},\n 3, {GOOD.replace('q', 'r')}]", "rows.json")
    assert (report.added, report.bad) == (2, [(2, "it is no JSON object")])


def test_guest_may_not_import(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        import_bytes(desk.importer, GUEST, "rows.jsonl", GOOD.encode())
    with pytest.raises(Forbidden):
        import_file(desk.importer, GUEST, Path("/etc/passwd"))
    assert desk.examples.listing() == []


def test_approved_sql_is_executed_first(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    task = SqlTask(SqlSandbox(sample_database(home)), system_prompt="", single_turn=True, examples=())
    desk = Desk.open(home.path, task)
    rows = [
        '{"prompt": "how many", "completion": "SELECT count(*) FROM orders"}',
        '{"prompt": "drop it", "completion": "DROP TABLE orders"}',
        '{"prompt": "no column", "completion": "SELECT nothing FROM orders"}',
    ]
    report = bring(desk, "\n".join(rows), approved=True)
    assert (report.added, [line for line, _ in report.bad]) == (1, [2, 3])
    assert bring(desk, "\n".join(rows)).added == 2
    desk.database.close()
    task.close()


class _Gigabyte:
    """A file of 1 GB that nobody has to write: one line again and again."""

    LINE = b'{"prompt": "q", "completion": "' + b"a" * 99_968 + b'"}\n'
    SIZE = 1_000_000_000

    def __init__(self) -> None:
        self.at = 0

    def read(self, size: int) -> bytes:
        return self.LINE[:size]

    def seek(self, at: int) -> None:
        self.at = at

    def readline(self, size: int) -> bytes:
        self.at += len(self.LINE)
        return self.LINE if self.at <= self.SIZE else b""


def test_a_gigabyte_is_read_line_by_line() -> None:
    import tracemalloc

    tracemalloc.start()
    rows = sum(1 for _ in readers.rows_of(_Gigabyte(), "big.jsonl", _Gigabyte.SIZE, table=False))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == _Gigabyte.SIZE // len(_Gigabyte.LINE) and peak < 20_000_000


def test_statement_of_many_rows_is_executed_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def problem(prompt: object, completion: str) -> str | None:
        asked.append(completion)
        return "it fails" if completion == "bad" else None

    monkeypatch.setattr(desk.importer.task, "problem", problem)
    rows = [json.dumps({"prompt": f"q{i}", "completion": "bad" if i % 3 else "good"}) for i in range(9)]
    report = bring(desk, "\n".join(rows), approved=True)
    assert (report.added, len(report.bad), sorted(asked)) == (3, 6, ["bad", "good"])
