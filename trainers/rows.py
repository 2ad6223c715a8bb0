"""Rows of a dataset file, and the tokens that a model learns from them.

Every row counts: one that cannot be learnt from stops the run and is named, since the library under us would cut or
drop it without a word. Knows no model, only its tokenizer.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.files import JobError

Messages = list[dict[str, str]]
SHOWN = 10
IGNORED = -100
ROLES = ("system", "user", "assistant")
CALLS = ("tool_calls", "function_call", "audio")
"""Of a message; left out, they would leave half an answer to learn."""


@dataclass(frozen=True)
class Row:
    """One lesson, as it stands in a file."""

    where: str
    """File name and line, for messages."""
    prompt: Messages
    completion: Messages
    """One message of the assistant; empty where only the prompt is needed."""


@dataclass(frozen=True)
class Lesson:
    """One lesson in tokens. Labels are the tokens of the completion, and -100 over the prompt."""

    input_ids: list[int]
    labels: list[int]


def read_rows(path: Path, *, completions: bool = True) -> list[Row]:
    """Read JSON lines of `{"prompt": […], "completion": […]}`; other keys are ignored, a missing file is JobError.

    With `completions=False` only the prompt is read.
    """
    if not path.is_file():
        raise JobError(f"{path} is missing. Freeze the dataset again, or give another file.")
    rows, problems = [], []
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name} line {number}"
            try:
                rows.append(_row(where, line, completions))
            except ValueError as error:
                problems.append(f"{where}: {error}")
    refuse(problems, "Correct or leave out these rows")
    return rows


def refuse(problems: Sequence[str], remedy: str) -> None:
    """Raise JobError with the first problems and their number; do nothing without any."""
    if problems:
        more = f"\n… and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        listed = "\n".join(problems[:SHOWN])
        count = "1 row cannot" if len(problems) == 1 else f"{len(problems)} rows cannot"
        raise JobError(f"{count} be used. {remedy}:\n{listed}{more}")


def teach(rows: Sequence[Row], tokenizer: Any, max_length: int) -> list[Lesson]:
    """Tokenise rows with the model's chat template; JobError lists rows that are too long or leave nothing to learn.

    The loss covers what the template renders after the generation prompt: the answer, the token that ends it, and
    whatever the template puts behind.
    """
    forbidden = control_tokens(tokenizer)
    prompts = [_rendered(row, row.prompt, tokenizer, add_generation_prompt=True) for row in rows]
    wholes = [_rendered(row, row.prompt + row.completion, tokenizer) for row in rows]
    problems, lessons = [], []
    tokens = zip(tokens_of(prompts, tokenizer), tokens_of(wholes, tokenizer), strict=True)
    for row, rendered, (prompt, whole) in zip(rows, wholes, tokens, strict=True):
        if token := _control_token(row, forbidden):
            problems.append(f"{row.where}: the text contains the control token `{token}`")
        elif len(whole) > max_length:
            problems.append(f"{row.where}: {len(whole)} tokens, over max_length {max_length}")
        elif (start := _common(prompt, whole)) == len(whole) or not _holds(rendered, row):
            problems.append(f"{row.where}: the chat template renders nothing of the completion")
        else:
            lessons.append(Lesson(whole, [IGNORED] * start + whole[start:]))
    refuse(problems, "Raise max_length, or correct or leave out these rows")
    return lessons


def _rendered(row: Row, messages: Messages, tokenizer: Any, **more: Any) -> str:
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, **more))
    except TemplateError as error:
        raise JobError(
            f"{row.where}: the base's chat template refuses it ({error}). Leave the row out, or take another base."
        ) from error


def _holds(rendered: str, row: Row) -> bool:
    """Whether the answer stands in the rendered text: a template for other contents leaves it out without a word.

    Thoughts may be rendered elsewhere, or not at all.
    """
    return row.completion[0]["content"].rpartition("</think>")[2].strip() in rendered


def tokens_of(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Token ids of rendered texts; the template has set all special tokens already."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Tokens that steer the model and that no text of a person may hold."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return tuple(sorted({*added, *tokenizer.all_special_tokens}))


def _row(where: str, line: str, completions: bool) -> Row:
    try:
        line.encode()
        given = json.loads(line)
    except UnicodeEncodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(given, dict):
        raise ValueError("it is no JSON object")
    if offered := next((key for key in ("tools", "functions") if given.get(key)), None):
        raise ValueError(f"it offers `{offered}`, and only text can be learnt")
    prompt = _messages("prompt", given.get("prompt"))
    if not completions:
        return Row(where, prompt, [])
    completion = _messages("completion", given.get("completion"))
    if len(completion) != 1 or completion[0]["role"] != "assistant":
        raise ValueError("`completion` is not one message of the assistant")
    if not completion[0]["content"].strip():
        raise ValueError("the completion is empty, which would teach the model to say nothing")
    return Row(where, prompt, completion)


def _messages(name: str, value: Any) -> Messages:
    if not isinstance(value, list) or not value:
        raise ValueError(f"`{name}` is not a list of messages")
    for message in value:
        if not isinstance(message, dict) or not all(isinstance(message.get(k), str) for k in ("role", "content")):
            raise ValueError(f"a message of `{name}` has no `role` and `content` in text")
        if message["role"] not in ROLES:
            raise ValueError(f"a message of `{name}` has the role `{message['role'][:40]}`; use {', '.join(ROLES)}")
        if unusable := next((key for key in CALLS if message.get(key)), None):
            raise ValueError(f"a message of `{name}` has `{unusable}`, and only text can be learnt")
        try:
            message["content"].encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"a message of `{name}` holds half a character (a lone surrogate)") from error
    return [{"role": message["role"], "content": message["content"]} for message in value]


def _control_token(row: Row, forbidden: Iterable[str]) -> str | None:
    text = "\n".join(message["content"] for message in row.prompt + row.completion)
    return next((token for token in forbidden if token in text), None)


def _common(prompt: Sequence[int], whole: Sequence[int]) -> int:
    """Length of the common beginning: some templates render a prompt alone otherwise than before an answer."""
    for place, (a, b) in enumerate(zip(prompt, whole, strict=False)):
        if a != b:
            return place
    return min(len(prompt), len(whole))
