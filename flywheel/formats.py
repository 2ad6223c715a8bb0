"""The formats that examples go in and out in: one row as a plain dictionary, both ways.

Pure. Knows no file and no store. Each row that `as_row` writes is read back by `from_row` as the same example; whether
its texts can be trained on is not asked here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flywheel import guanaco
from flywheel.messages import messages_of, shown
from flywheel.tags import tags_in
from flywheel.validity import Message
from flywheel.words.catalogue import say

FORMATS = ("openai", "prompt-completion", "sharegpt", "alpaca", "guanaco", "csv", "parquet", "dpo", "kto")
READ_ONLY = ("open-webui", "question")
"""Formats of other programs that examples only come from."""
PREFERENCES = ("dpo", "kto")
"""Formats that need the answer that was found wrong beside the right one."""
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
FROM_SHAREGPT = {name: role for role, name in SHAREGPT.items()} | {role: role for role in SHAREGPT}


@dataclass(frozen=True)
class Pair:
    """What a row says."""

    prompt: list[Message]
    completion: str
    answer: str | None = None
    """What should not have been said instead, in the formats that have it."""
    label: bool = True
    """False: `completion` is what should not be said."""
    tags: tuple[str, ...] = ()


def format_of(row: Mapping[str, Any]) -> str:
    """The format whose keys a row has; `prompt-completion` when it has none of them."""
    keys = row.keys()
    if "messages" in keys:
        return "openai"
    if "conversations" in keys:
        return "sharegpt"
    if {"chosen", "rejected"} <= keys:
        return "dpo"
    if {"prompt", "completion"} <= keys:
        return "kto" if "label" in keys else "prompt-completion"
    if "instruction" in keys:
        return "alpaca"
    if "question" in keys and ("correction" in keys or "sql" in keys):
        return "question"
    if {"snapshot", "data"} <= keys:
        return "open-webui"
    return "guanaco" if "text" in keys else "prompt-completion"


def as_row(prompt: Sequence[Message], completion: str, format: str) -> dict[str, Any]:
    """An example in a format without preferences."""
    answer = {"role": "assistant", "content": completion}
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    if format == "openai":
        return {"messages": [*messages, answer]}
    if format == "sharegpt":
        said = [{"from": SHAREGPT[m["role"]], "value": m["content"]} for m in [*messages, answer]]
        return {"conversations": said}
    if format == "alpaca":
        return _as_alpaca(messages, completion)
    if format == "guanaco":
        return guanaco.row_of([*messages, answer])
    if format == "csv":
        return {"prompt": _as_cell(messages), "completion": completion}
    return {"prompt": messages, "completion": [answer]}


def as_preferences(prompt: Sequence[Message], completion: str, answer: str, format: str) -> list[dict[str, Any]]:
    """An example and the answer that was found wrong: one row in `dpo`, two in `kto`."""
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    good, bad = ([{"role": "assistant", "content": text}] for text in (completion, answer))
    if format == "dpo":
        return [{"prompt": messages, "chosen": good, "rejected": bad}]
    return [
        {"prompt": messages, "completion": good, "label": True},
        {"prompt": messages, "completion": bad, "label": False},
    ]


def from_row(row: Any, format: str) -> Pair:
    """What a row as read from a file says. Raises ValueError with words without a full stop.

    Other keys of the row are left alone: files carry ids and sources.
    """
    if not isinstance(row, dict):
        raise ValueError(say("row.no_object"))
    for offered in ("tools", "functions"):
        # Trained without them, the answer would be taught to another question. Some files hold an empty list as text.
        if row.get(offered) and str(row[offered]).strip() != "[]":
            raise ValueError(say("row.offers", offered=offered))
    if format == "parquet" or (format == "csv" and ("label" in row or not {"prompt", "completion"} <= row.keys())):
        format = format_of(row)
    return replace(_READERS[format](row), tags=tags_in(row, format))


def _as_alpaca(messages: Sequence[Message], completion: str) -> dict[str, Any]:
    system = [m["content"] for m in messages if m["role"] == "system"]
    *before, last = [m["content"] for m in messages if m["role"] != "system"]
    row: dict[str, Any] = {"instruction": last, "input": "", "output": completion}
    row |= {"system": system[0]} if system else {}
    return row | ({"history": [before[i : i + 2] for i in range(0, len(before), 2)]} if before else {})


def _as_cell(messages: Sequence[Message]) -> str:
    """A single question as it is; anything else (and what would be taken for that) as JSON."""
    text = messages[-1]["content"]
    if len(messages) == 1 and messages[0]["role"] == "user" and not _cell_messages(text):
        return text
    return json.dumps(list(messages), ensure_ascii=False)


def _cell_messages(text: str) -> list[Message] | None:
    """The messages that a cell holds as JSON; None for any other text, whatever it looks like."""
    if not text.startswith('[{"'):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    try:
        return messages_of(value, "prompt") if all(one.keys() == {"role", "content"} for one in value) else None
    except (AttributeError, TypeError, ValueError):
        return None


def _openai(row: dict[str, Any]) -> Pair:
    return _conversation(messages_of(row.get("messages"), "messages"), "messages")


def _conversation(messages: list[Message], key: str) -> Pair:
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError(say("row.last_not_assistant", key=key))
    return Pair(messages[:-1], messages[-1]["content"])


def _sharegpt(row: dict[str, Any]) -> Pair:
    said = row.get("conversations")
    if not isinstance(said, list):
        raise ValueError(say("row.no_messages", key="conversations"))
    messages = []
    for number, one in enumerate(said, 1):
        if not isinstance(one, dict) or not isinstance(one.get("from", one.get("role")), str):
            raise ValueError(say("row.no_from", number=number))
        name = one.get("from", one.get("role"))
        if name not in FROM_SHAREGPT:
            raise ValueError(say("row.from_whom", number=number, name=shown(name)))
        messages.append({**one, "role": FROM_SHAREGPT[name], "content": one.get("value", one.get("content"))})
    system = row.get("system")
    if isinstance(system, str) and system and not (messages and messages[0]["role"] == "system"):
        messages.insert(0, {"role": "system", "content": system})
    return _conversation(messages_of(messages, "conversations"), "conversations")


def _alpaca(row: dict[str, Any]) -> Pair:
    texts = {key: _text(row, key, optional=key in ("input", "system")) for key in ("instruction", "input", "system")}
    messages = [{"role": "system", "content": texts["system"]}] if texts["system"] else []
    history = row.get("history") or []
    if not isinstance(history, list):
        raise ValueError(say("row.no_pairs", key="history"))
    for number, pair in enumerate(history, 1):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise ValueError(say("row.no_pair", number=number, key="history"))
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    asked = "\n".join(text for text in (texts["instruction"], texts["input"]) if text)
    return Pair([*messages, {"role": "user", "content": asked}], _text(row, "output"))


def _text(row: dict[str, Any], key: str, *, optional: bool = False) -> str:
    value = row.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise ValueError(say("row.has_no", key=key) if value is None else say("row.no_text", key=key))
    return value


def _pair(row: dict[str, Any]) -> Pair:
    missing = [key for key in ("prompt", "completion") if key not in row]
    if missing:
        raise ValueError(say("row.has_no", key=missing[0]))
    return Pair(_prompt(row["prompt"]), _said(row["completion"], "completion"))


def _cells(row: dict[str, Any]) -> Pair:
    pair = _pair(row)
    messages = _cell_messages(row["prompt"]) if isinstance(row["prompt"], str) else None
    return Pair(messages, pair.completion) if messages else pair


def _dpo(row: dict[str, Any]) -> Pair:
    missing = [key for key in ("chosen", "rejected") if key not in row]
    if missing:
        raise ValueError(say("row.has_no", key=missing[0]))
    if "prompt" in row:
        prompt = _prompt(row["prompt"])
        return Pair(prompt, _answer(row, "chosen", prompt), _answer(row, "rejected", prompt))
    chosen = _conversation(messages_of(row["chosen"], "chosen"), "chosen")
    return Pair(chosen.prompt, chosen.completion, _answer(row, "rejected", chosen.prompt))


def _answer(row: dict[str, Any], key: str, prompt: list[Message]) -> str:
    """Some files repeat the prompt at the start of both conversations."""
    value = row[key]
    if isinstance(value, list) and len(value) > 1:
        whole = _conversation(messages_of(value, key), key)
        if whole.prompt != prompt:
            raise ValueError(say("row.other_prompt", key=key))
        return whole.completion
    return _said(value, key)


# A table holds texts alone.
_LABELS: dict[str, bool] = {"true": True, "false": False}


def _kto(row: dict[str, Any]) -> Pair:
    pair, label = _pair(row), row.get("label")
    if isinstance(label, str):
        label = _LABELS.get(label.strip().lower(), label)
    if not isinstance(label, bool):
        raise ValueError(say("row.no_label", key="label"))
    return Pair(pair.prompt, pair.completion, label=label)


def _guanaco(row: dict[str, Any]) -> Pair:
    said = row.get(guanaco.SAID)
    messages = guanaco.messages_in(_text(row, "text")) if said is None else messages_of(said, guanaco.SAID)
    return _conversation(messages, "text")


def _open_webui(row: dict[str, Any]) -> Pair:
    """One rating: the rated message with what led to it. A message with a thumb down is what should not be said."""
    try:
        turns = _inside(row, "snapshot", "chat", "chat", "history", "messages")
        at, rating = _inside(row, "meta", "message_id"), _inside(row, "data", "rating")
        if not isinstance(rating, int | float):
            raise KeyError("rating")
        path: list[dict[str, Any]] = []
        while at is not None and len(path) <= len(turns):
            path.append(_inside(turns, at))
            at = path[-1].get("parentId")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(say("row.no_rating", missing=shown(error))) from error
    said = _conversation(messages_of(path[::-1], "history"), "history")
    return Pair(said.prompt, said.completion, label=rating > 0)


def _inside(value: Any, *keys: Any) -> Any:
    """What lies under these keys. KeyError names the first that is not there."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise KeyError(key)
        value = value[key]
    return value


def _question(row: dict[str, Any]) -> Pair:
    """As the starter's own files hold corrections and other wordings: a question with its `correction` or `sql`."""
    asked = {"role": "user", "content": _text(row, "question")}
    return Pair([asked], _text(row, "correction" if "correction" in row else "sql"))


def _prompt(value: Any) -> list[Message]:
    return [{"role": "user", "content": value}] if isinstance(value, str) else messages_of(value, "prompt")


def _said(value: Any, key: str) -> str:
    if isinstance(value, str):
        return value
    answer = messages_of(value, key)
    if len(answer) != 1 or answer[0]["role"] != "assistant":
        raise ValueError(say("row.not_one", key=key))
    return answer[0]["content"]


_READERS = {
    "openai": _openai,
    "prompt-completion": _pair,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "csv": _cells,
    "dpo": _dpo,
    "kto": _kto,
    "guanaco": _guanaco,
    "open-webui": _open_webui,
    "question": _question,
}
