import json
from pathlib import Path

import pytest
import trl

from tests.support.tiny import chat_row
from trainers.files import JobError
from trainers.rows import Row, read_rows, teach

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
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
        (json.dumps({**GOOD, "tools": [{"type": "function"}]}), "offers `tools`"),
        (json.dumps({**GOOD, "completion": [{**GOOD["completion"][0], "tool_calls": [{"id": "1"}]}]}), "`tool_calls`"),
        (json.dumps({**GOOD, "prompt": [*GOOD["prompt"], {"role": "tool", "content": "3"}]}), "the role `tool`"),
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


def test_the_answer_and_its_end_are_learnt_with_every_template(base: Path) -> None:
    """The templates are those of the models themselves; some put empty thoughts before the answer, as they serve it."""
    from trainers.base import load_tokenizer

    tokenizer = load_tokenizer(base)
    turns = [("user", "first question"), ("assistant", "first answer"), ("user", "second question")]
    prompt = [{"role": role, "content": text} for role, text in turns]
    row = Row("the row", prompt, [{"role": "assistant", "content": "the right answer"}])
    for name in ("qwen2_5", "qwen3", "qwen3_5_think", "llama3_1", "gemma3", "phi3", "gptoss", "deepseekv3", "cohere2"):
        tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text()
        [lesson] = teach([row], tokenizer, 10_000)
        learnt = tokenizer.decode([token for token in lesson.labels if token != -100])
        before, answer, after = learnt.partition("the right answer")
        assert answer and after.strip(), f"{name}: {learnt}"
        assert "question" not in learnt and "first" not in learnt and len(before) < 32, f"{name}: {learnt}"


def test_a_template_that_leaves_the_answer_out_or_refuses_the_row_is_told(base: Path) -> None:
    from trainers.base import load_tokenizer

    tokenizer = load_tokenizer(base)
    row = Row("the row", [{"role": "system", "content": "s"}, *GOOD["prompt"]], GOOD["completion"])
    tokenizer.chat_template = (TEMPLATES / "smolvlm.jinja").read_text()
    with pytest.raises(JobError, match="the row: the chat template renders nothing of the completion"):
        teach([row], tokenizer, 10_000)
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(JobError, match=r"the row: .*refuses it \(System role not supported\)"):
        teach([row], tokenizer, 10_000)
