"""Whether the server of a remote model is there: looked at in the background for as long as the engine lives.

Seldom while it answers, soon when it does not, so that an engine whose server comes back is ready by itself. Everything
but `ready` and `settled` belongs to the engine's event loop. Knows nothing of answers.
"""

import asyncio
import contextlib
import logging
import math
import random
import threading
import time
from typing import Any

import openai

from flywheel.serving.remote_answer import Timing
from flywheel.serving.remote_words import (
    NoProtocol,
    Server,
    explain,
    is_key_refused,
    is_unknown_model,
    is_unreachable,
    unknown_model,
)
from flywheel.words.catalogue import say

NO_LIST = (404, 405, 501)
"""A server that knows no list of models may answer all the same."""
NO_RIGHT = 403
"""Some keys may ask the model and not for the list."""
HELPLESS_S = 60.0
"""Between two looks at a server that refuses our key or has no such model: only a person can change that."""
CONTEXT_KEYS = ("max_model_len", "context_length", "max_context_length")
"""Where servers say how much a model reads: vLLM, OpenRouter, LM Studio."""
log = logging.getLogger(__name__)


class Lookout:
    """Knows whether the server answers with our model, and how much that reads, where the server tells."""

    def __init__(self, server: Server, timing: Timing) -> None:
        self.ready = (False, say("model.looking", model=server.model, url=server.url))
        """Whether it answers, and in words what runs where or why not."""
        self.settled = threading.Event()
        """It was looked at, with whatever result."""
        self.context: int | None = None
        self._server, self._timing = server, timing
        self._known = False
        """The server lists the model, or has answered with it."""
        self._heard = -math.inf
        self._doubt = asyncio.Event()

    async def watch(self, client: openai.AsyncOpenAI) -> None:
        """Look again and again; ends when it is cancelled."""
        pause = self._timing.first_pause
        while True:
            wait = self._timing.recheck
            error = await self._look(client)
            if error is None:
                pause = self._timing.first_pause
                self._say(True, say("model.answers_at", model=self._server.model, url=self._server.url))
            else:
                pause = min(pause * 2, self._timing.longest_recheck)
                wait = HELPLESS_S if _is_helpless(error) else pause * random.uniform(0.5, 1.0)
            self.settled.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._doubt.wait()
                # Somebody just failed to reach it: a moment may be all it needs.
                await asyncio.sleep(self._timing.first_pause)
            self._doubt.clear()

    def heard(self) -> None:
        """An answer came, to its end."""
        self._heard = time.monotonic()

    def lost(self, words: str) -> None:
        """An answer could not reach the server."""
        self._say(False, words)
        self._doubt.set()

    async def _look(self, client: openai.AsyncOpenAI) -> Exception | None:
        """Find out; what is wrong is said, and returned."""
        models: dict[str, int | None] = {}
        try:
            models = await self._listed(client)
            if self._server.model not in models and not self._known:
                # Some servers have no list, or take a model by other names than they list it: one token tells.
                await self._ask_one_token(client)
            self._known = True
            self.context = models.get(self._server.model) or self.context
            return None
        except Exception as error:
            if not isinstance(error, openai.APIError | NoProtocol):
                # Whatever a stranger's server sends must not end the looking.
                log.exception("what %s sent cannot be read", self._server.url)
            unknown = is_unknown_model(error)
            busy = time.monotonic() - self._heard < self._timing.recheck and not is_unreachable(error)
            if busy or not (unknown or is_key_refused(error) or _is_broken(error)):
                return None
            self._known = False
            self._say(False, unknown_model(self._server, tuple(models)) if unknown else explain(error, self._server))
            return error

    async def _listed(self, client: openai.AsyncOpenAI) -> dict[str, int | None]:
        """The server's models, each with the tokens it reads where that is told; empty when it has no such list."""
        options: Any = {"timeout": openai.Timeout(self._timing.probe, connect=self._timing.connect)}
        try:
            # Not `models.list`: what comes is only looked at where it has the shape it should have.
            found: Any = await client.get("/models", cast_to=object, options=options)
        except openai.APIStatusError as error:
            if error.status_code in (*NO_LIST, NO_RIGHT):
                return {}
            raise
        entries = found.get("data") if isinstance(found, dict) else found
        if isinstance(found, dict) and entries is None:
            return {}
        if not isinstance(entries, list):
            raise NoProtocol("the list of models is none")
        return {str(entry["id"]): _context(entry) for entry in entries if isinstance(entry, dict) and "id" in entry}

    async def _ask_one_token(self, client: openai.AsyncOpenAI) -> None:
        asked = [{"role": "user", "content": "Hello"}]
        body = {"model": self._server.model, "messages": asked, "max_tokens": 1}
        await client.post("/chat/completions", cast_to=object, body=body)

    def _say(self, ready: bool, words: str) -> None:
        if self.ready[0] != ready or (not ready and self.ready[1] != words):
            log.warning("the model is %s: %s", "ready" if ready else "not ready", words)
        self.ready = (ready, words)


def _context(entry: dict[str, Any]) -> int | None:
    told = (entry.get(key) for key in CONTEXT_KEYS)
    return next((value for value in told if isinstance(value, int) and value > 0), None)


def _is_helpless(error: Exception) -> bool:
    return is_key_refused(error) or is_unknown_model(error)


def _is_broken(error: Exception) -> bool:
    """The server is there and cannot answer; a refusal of this one request, or too much to do, says nothing."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code >= 500 or error.status_code == 404
    return True
