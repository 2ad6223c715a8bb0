"""Which of the optional fields of a request a server takes.

Only fields that any server knows are sent; one that a server refuses all the same is left out from then on, and the
log says so. Knows no connection.
"""

import logging
import re
from typing import Any

import openai

from flywheel.serving.engine import Sampling
from flywheel.serving.remote_words import is_too_long
from flywheel.tasks.tools import Tool

REFUSALS = (400, 422)
log = logging.getLogger(__name__)


class Dialect:
    """Which of the optional fields this server takes: learnt from its refusals, kept as long as the engine lives."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def fields(self, sampling: Sampling, most: int, tool: Tool | None = None) -> dict[str, Any]:
        """The fields of a request beside model and messages. Stop texts are ours to watch for, on any server."""
        wanted: dict[str, Any] = {"temperature": sampling.temperature, "stream_options": {"include_usage": True}}
        wanted["max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"] = most
        if sampling.top_p < 1:
            wanted["top_p"] = sampling.top_p
        if sampling.seed is not None:
            wanted["seed"] = sampling.seed
        if tool is not None:
            wanted["tools"] = [tool.spec]
        return {name: value for name, value in wanted.items() if name not in self._refused}

    def learn(self, error: Exception, sent: dict[str, Any]) -> bool:
        """Whether the server refused one of the fields sent, so that the request is worth repeating without it."""
        if not isinstance(error, openai.APIStatusError) or error.status_code not in REFUSALS or is_too_long(error):
            return False
        told = f"{error} {error.body}"
        named = [name for name in sent if error.param == name]
        named = named or [name for name in sent if re.search(rf"(?<!\w){name}(?!\w)", told)]
        if not named and "tools" in sent and re.search(r"\btool", told, re.IGNORECASE):
            # Servers that were started without tools name the option they lack instead.
            named = ["tools"]
        if not named:
            return False
        self._refused.add(named[0])
        instead = " and `max_completion_tokens` is sent instead" if named[0] == "max_tokens" else ""
        log.warning("the server refuses the field `%s`; it is left out from now on%s", named[0], instead)
        return True
