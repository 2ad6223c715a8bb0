"""The engine for a model at another server: anything that speaks OpenAI's chat completions, over HTTP.

One thread runs an event loop; each answer is a task on it, so that cancelling an answer closes its connection and the
server can stop. Another task looks whether the server is there. Knows no weights and no tokenizer: the number of
tokens is estimated where the server does not tell it, and only the base (`v0`) answers.
"""

import asyncio
import contextlib
import json
import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import replace

import openai

from flywheel.errors import InvalidInput, NotFound, TooMany, Unavailable
from flywheel.serving.engine import BASE_VERSION, FinishReason, Generation, Message, Sampling, Stream
from flywheel.serving.remote_answer import Failed, Request, Timing
from flywheel.serving.remote_dialect import Dialect
from flywheel.serving.remote_watch import Lookout
from flywheel.serving.remote_words import (
    Server,
    explain,
    is_too_long,
    is_unreachable,
    limit_named,
)
from flywheel.tasks.tools import Tool
from flywheel.words.catalogue import say

MOST_AT_ONCE = 32
LEAST_ANSWER = 32
"""Tokens that an answer may have at least, however long the prompt is by estimate."""
BYTES_A_TOKEN = 3
TOKENS_A_MESSAGE = 8
"""An estimate on the high side: English has about four bytes a token, other scripts and code fewer."""
_KNOWN = (
    "<|im_start|> <|im_end|> <|im_sep|> <|endoftext|> <|begin_of_text|> <|end_of_text|> <|start_header_id|> "
    "<|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|> <|system|> <|user|> <|assistant|> <|end|> <|start|> "
    "<|message|> <|channel|> <|return|> <|call|> <s> </s> <bos> <eos> <start_of_turn> <end_of_turn> [INST] [/INST] "
    "[SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] <<SYS>> <</SYS>> "
    "<｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜User｜> <｜Assistant｜>"
)
CONTROL_TOKENS = tuple(_KNOWN.split())
"""Those of the common open models: which of them this server's tokenizer reads so is not known."""
log = logging.getLogger(__name__)


class RemoteEngine:
    """Answers through another server, up to 32 answers at once."""

    def __init__(
        self, url: str, model: str, key: str = "", *, timing: Timing | None = None, tool: Tool | None = None
    ) -> None:
        """Start looking for the server in the background; `ready` tells when it is there.

        `url` is the address that `/chat/completions` is appended to, `model` its name there; `key` may be empty.
        `tool` is offered to the model with each question, as long as the server takes tools.
        """
        self._tool = tool
        self._server, self._timing = Server(url.rstrip("/"), model, key), timing or Timing()
        self._lookout, self._dialect = Lookout(self._server, self._timing), Dialect()
        self._opening = threading.Lock()
        self._open: set[_Call] = set()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="remote model", daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        """The model's name at the server."""
        return self._server.model

    @property
    def context_length(self) -> int | None:
        """Most tokens of prompt and answer together, when the server told; else None."""
        return self._lookout.context

    def ready(self) -> tuple[bool, str]:
        """Whether it answers now, and in words what runs where or why not."""
        return (False, "the engine is closed") if self._closed else self._lookout.ready

    def wait_ready(self, timeout_s: float) -> tuple[bool, str]:
        """Wait until the server was looked at for the first time, then say as `ready` does."""
        self._lookout.settled.wait(timeout_s)
        return self.ready()

    def warm(self, version: str, timeout_s: float = 120.0) -> None:
        """Nothing has to be loaded here. Raises NotFound for any version but the base."""
        if version != BASE_VERSION:
            raise NotFound(self._only_base(version))

    def control_tokens(self) -> tuple[str, ...]:
        """Texts that tokenizers of common models read as control tokens."""
        return CONTROL_TOKENS

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """An estimate, on the high side, of the tokens of a text or of messages."""
        if isinstance(text, str):
            return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)
        return sum(self.count_tokens(message["content"]) + TOKENS_A_MESSAGE for message in text)

    def texts(self) -> None:
        """The tokenizer is elsewhere."""

    def check(self, messages: Sequence[Message]) -> None:
        """Raise InvalidInput when a conversation is too long by estimate, Unavailable when the server is not there.

        A single question is never refused here: the estimate may be wrong, and the server knows.
        """
        self._need_ready()
        context = self._lookout.context
        if context is None or sum(message["role"] != "system" for message in messages) < 2:
            return
        tokens, most = self.count_tokens(messages), context - min(LEAST_ANSWER, context // 4)
        if tokens > most:
            raise InvalidInput(say("error.model.about_too_long", count=tokens, base=self.base, most=most))

    def submit(self, messages: Sequence[Message], version: str, sampling: Sampling) -> Stream:
        """Ask the server for an answer.

        Raises InvalidInput as `check` does, Unavailable while the server is not there or too many answers are under
        way; whatever happens later is the Generation's `error`.
        """
        self.check(messages)
        # The server renders the prompt, so what is known of it are the messages.
        prompt = json.dumps(list(messages), ensure_ascii=False)
        tokens = self.count_tokens(messages)
        known = Generation("", "error", version, self.base, "", tokens, rendered_prompt=prompt, tokens_estimated=True)
        call = _Call(known, sampling.deadline_s, self._loop)
        with self._opening:
            if self._closed:
                raise Unavailable(say("error.model.closing"))
            if len(self._open) >= MOST_AT_ONCE:
                raise TooMany(say("error.model.too_many", count=MOST_AT_ONCE))
            self._open.add(call)
            self._loop.call_soon_threadsafe(self._begin, call, list(messages), sampling)
        return call

    def close(self) -> None:
        """Cancel the answers under way and close the connections. May be called twice."""
        with self._opening:
            if not self._closed:
                self._loop.call_soon_threadsafe(self._closing.set)
            self._closed = True
        self._thread.join(timeout=30)

    def _need_ready(self) -> None:
        ready, words = self.ready()
        if not ready:
            raise Unavailable(say("error.model.not_yet", words=words))

    def _only_base(self, version: str) -> str:
        return say("error.model.only_base", base=self.base, version=version)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        except Exception:
            log.exception("the engine for %s failed", self._server.url)
            self._lookout.ready = (False, say("model.engine_failed"))
        finally:
            self._lookout.settled.set()
            self._loop.close()

    async def _live(self) -> None:
        timeout = openai.Timeout(self._timing.silence, connect=self._timing.connect)
        client = openai.AsyncOpenAI(
            base_url=self._server.url,
            # The client insists on one; servers that need none do not look at it.
            api_key=self._server.key or "none",
            timeout=timeout,
            max_retries=0,
        )
        async with client:
            self._client = client
            watching = asyncio.create_task(self._lookout.watch(client))
            await self._closing.wait()
            watching.cancel()
            calls = list(self._open)
            for call in calls:
                call.cancel()
            tasks = [call.task for call in calls if call.task is not None]
            await asyncio.gather(watching, *tasks, return_exceptions=True)

    def _begin(self, call: "_Call", messages: list[Message], sampling: Sampling) -> None:
        call.task = self._loop.create_task(self._serve(call, messages, sampling))
        # Not at the end of `_serve`: a task that is cancelled at once never gets there.
        call.task.add_done_callback(lambda _: self._ended(call))

    def _ended(self, call: "_Call") -> None:
        with self._opening:
            self._open.discard(call)

    async def _serve(self, call: "_Call", messages: list[Message], sampling: Sampling) -> None:
        if call.take():
            request = Request(
                self._client, self._server, self._dialect, self._timing, call, messages, sampling,
                self._room(call.waiting.prompt_tokens, sampling.max_new_tokens), self._tool,
            )  # fmt: skip
            call.finish(await self._answer(call, request))

    async def _answer(self, call: "_Call", request: Request) -> Generation:
        if call.waiting.version != BASE_VERSION:
            return replace(call.waiting, error=self._only_base(call.waiting.version))
        reason: FinishReason = "error"
        words: str | None = None
        try:
            async with asyncio.timeout_at(call.deadline):
                await request.run()
            reason = request.answer.finish_reason or "stop"
            self._lookout.heard()
        except TimeoutError:
            reason = "deadline"
        except asyncio.CancelledError:
            reason = "cancelled"
        except Failed as error:
            words = str(error)
        except openai.APIError as error:
            words = self._told(error, call)
        except Exception as error:
            # Whatever a stranger's server sends must end in words, not in a stream that never ends.
            log.exception("an answer from %s cannot be read", self._server.url)
            words = _sentence(explain(error, self._server))
        return request.generation(reason, words)

    def _told(self, error: openai.APIError, call: "_Call") -> str:
        """The words for an answer that never began, and what they teach us of the server."""
        if is_too_long(error):
            limit = limit_named(error) or max(1, call.waiting.prompt_tokens * 4 // 5)
            self._lookout.context = limit
            log.warning("a prompt was too long for `%s`: %d tokens are taken for its limit", self.base, limit)
        words = explain(error, self._server)
        log.warning("no answer from `%s`: %s", self.base, words)
        if is_unreachable(error):
            self._lookout.lost(words)
        return _sentence(words)

    def _room(self, prompt_tokens: int, wanted: int) -> int:
        context = self._lookout.context
        return wanted if context is None else min(wanted, max(LEAST_ANSWER, context - prompt_tokens))


class _Call(Stream):
    """An answer on its way whose task can be cancelled from any thread."""

    def __init__(self, waiting: Generation, deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(waiting, deadline_s)
        self.task: asyncio.Task[None] | None = None
        self._loop = loop

    def cancel(self) -> None:
        """Close the connection, so that the server stops too. From any thread, and more than once."""
        again = self.cancelled
        super().cancel()
        if not again:
            # A loop that is closed has ended all its answers.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        if self.task is not None:
            self.task.cancel()


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
