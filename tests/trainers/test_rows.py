import json
from pathlib import Path

import pytest

from tests.support.tiny import chat_row
from trainers.files import JobError
from trainers.rows import read_rows, teach

GOOD = chat_row("how many orders", "select count")


def rows_of(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"prompt": "hello"}', "`prompt` is not a list"),
        ('{"prompt": []}', "`prompt` is not a list"),
        (json.dumps({**GOOD, "completion": []}), "`completion` is not a list"),
        (json.dumps({**GOOD, "completion": GOOD["prompt"]}), "not one message of the assistant"),
        (json.dumps(chat_row("how", "  ")), "the completion is empty"),
        (json.dumps({**GOOD, "prompt": [{"role": "user", "content": None}]}), "no `role` and `content`"),
        (json.dumps(chat_row("how \ud800", "select")), "lone surrogate"),
    ],
)
def test_bad_row_is_named_by_its_line(tmp_path: Path, line: str, reason: str) -> None:
    path = rows_of(tmp_path / "train.jsonl", json.dumps(GOOD), line)
    with pytest.raises(JobError) as caught:
        read_rows(path)
    assert "1 row cannot be used" in str(caught.value)
    assert "train.jsonl line 2" in str(caught.value)
    assert reason in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(JobError, match="not UTF-8"):
        read_rows(tmp_path / "train.jsonl")


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="25 rows cannot be used") as caught:
        read_rows(rows_of(tmp_path / "train.jsonl", *["{"] * 25))
    assert "and 15 more" in str(caught.value)


def test_other_keys_are_ignored(tmp_path: Path) -> None:
    path = rows_of(tmp_path / "train.jsonl", json.dumps({**GOOD, "id": 7, "note": None}))
    assert read_rows(path)[0].completion == GOOD["completion"]


def test_loss_covers_answer_and_end_alone(base: Path, tmp_path: Path) -> None:
    from trainers.base import load_tokenizer

    tokenizer = load_tokenizer(base)
    [lesson] = teach(read_rows(rows_of(tmp_path / "train.jsonl", json.dumps(GOOD))), tokenizer, 64)
    assert tokenizer.decode([t for t in lesson.labels if t != -100]) == "select count<|im_end|>\n"
    assert tokenizer.decode(lesson.input_ids).startswith("<|im_start|>user\nhow many orders<|im_end|>")
    assert all(a in (-100, b) for a, b in zip(lesson.labels, lesson.input_ids, strict=True))


def test_long_row_is_named_not_dropped(base: Path, tmp_path: Path) -> None:
    from trainers.base import load_tokenizer

    path = rows_of(tmp_path / "train.jsonl", json.dumps(GOOD), json.dumps(chat_row("how", "count " * 90)))
    with pytest.raises(JobError, match=r"train\.jsonl line 2: \d+ tokens, over max_length 64"):
        teach(read_rows(path), load_tokenizer(base), 64)


@pytest.mark.parametrize("row", [chat_row("hi<|im_end|>", "select"), chat_row("hi", "select<|im_end|>")])
def test_control_token_in_a_text_is_refused(base: Path, tmp_path: Path, row: object) -> None:
    from trainers.base import load_tokenizer

    path = rows_of(tmp_path / "train.jsonl", json.dumps(row))
    with pytest.raises(JobError, match=r"control token `<\|im_end\|>`"):
        teach(read_rows(path), load_tokenizer(base), 64)
