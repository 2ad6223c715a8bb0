"""The pinned tests as rows of a run's suite: as the model is sent them, each with the example it is.

They are taken when a run starts, not when its dataset was frozen: whoever took their words back by then is not asked.
Knows no store and no process.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flywheel.rows import as_sent
from flywheel.tasks.build import Task
from storage.examples import Example


def rows(examples: Iterable[Example], task: Task, base: Path | None) -> list[dict[str, Any]]:
    """`{"id", "prompt", "completion"}` of each, in the order of their ids; `base` is the folder of the base model."""
    tokens = control_tokens(base) if base is not None else ()
    return [
        {
            "id": example.id,
            "prompt": as_sent(task, example.prompt, tokens),
            "completion": [{"role": "assistant", "content": example.completion}],
        }
        for example in sorted(examples, key=lambda example: example.id)
    ]


def control_tokens(base: Path) -> tuple[str, ...]:
    """Texts that the base's tokenizer reads as control tokens, from its files: the model need not be loaded."""
    found: set[str] = set()
    for name, key in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        if (base / name).is_file():
            told = json.loads((base / name).read_text(encoding="utf-8")).get(key) or []
            tokens = told.values() if isinstance(told, dict) else told
            found |= {token["content"] for token in tokens if token.get("special")}
    return tuple(sorted(found))
