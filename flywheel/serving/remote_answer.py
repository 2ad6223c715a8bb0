"""One answer from an OpenAI-compatible server: what is sent, when it is tried again, and how the stream is read.

Only fields that any server knows are sent; one that a server refuses all the same is left out from then on, and the
log says so. Nothing is tried again once a piece of the answer has come. Knows no threads and no readiness.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import openai

from flywheel.serving.engine import FinishReason, Generation, Message, Sampling, Stream
from flywheel.serving.pieces import Pieces
from flywheel.serving.remote_words import Server, explain, is_passing, is_too_long, retry_after
from flywheel.serving.thinking import CLOSE, OPEN

USAGE_WAIT_S = 2.0
"""How long the server may take, once the answer has ended, to say how many tokens it was."""
REFUSALS = (400, 422)
THOUGHTS = ("reasoning_content", "reasoning")
"""Where servers put what a reasoning model thinks, apart from its answer."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Seconds, but for `retries`."""

    connect: float = 5.0
    silence: float = 120.0
    """Longest wait for the next bytes of an answer under way."""
    retries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 8.0
    probe: float = 10.0
    """Longest wait for the list of models."""
    recheck: float = 30.0
    """Between two looks at a server that answers."""
    longest_recheck: float = 15.0
    """Between two looks at one that does not; the first ones come sooner."""


class Failed(Exception):
    """The answer ended before its end; the words are for a person."""


class Dialect:
    """Which of the optional fields this server takes: learnt from its refusals, kept as long as the engine lives."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def fields(self, sampling: Sampling, most: int) -> dict[str, Any]:
        """The fields of a request beside model and messages. Stop texts are ours to watch for, on any server."""
        wanted: dict[str, Any] = {"temperature": sampling.temperature, "stream_options": {"include_usage": True}}
        wanted["max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"] = most
        if sampling.top_p < 1:
            wanted["top_p"] = sampling.top_p
        if sampling.seed is not None:
            wanted["seed"] = sampling.seed
        return {name: value for name, value in wanted.items() if name not in self._refused}

    def learn(self, error: Exception, sent: dict[str, Any]) -> bool:
        """Whether the server refused one of the fields sent, so that the request is worth repeating without it."""
        if not isinstance(error, openai.APIStatusError) or error.status_code not in REFUSALS or is_too_long(error):
            return False
        told = f"{error} {error.body}"
        named = [name for name in sent if error.param == name]
        named = named or [name for name in sent if re.search(rf"(?<!\w){name}(?!\w)", told)]
        if not named:
            return False
        self._refused.add(named[0])
        instead = " and `max_completion_tokens` is sent instead" if named[0] == "max_tokens" else ""
        log.warning("the server refuses the field `%s`; it is left out from now on%s", named[0], instead)
        return True


class Answer:
    """The text as it comes; stop texts end it, and characters sent in halves are put together."""

    def __init__(self, stream: Stream, sampling: Sampling) -> None:
        self.finish_reason: FinishReason | None = None
        self.filtered = False
        self.pieces = 0
        self.usage: tuple[int, int] | None = None
        """Tokens of prompt and answer, when the server told."""
        self.first_token_s: float | None = None
        self._stream, self._half, self._text = stream, "", ""
        self._thinking: bool | None = None
        """Whether thoughts are coming; None before anything came, False once the answer began."""
        # One character is one "token" here: the server has decoded already.
        self._stops = Pieces(lambda ids: "".join(map(chr, ids)), sampling.stop) if sampling.stop else None

    @property
    def text(self) -> str:
        """All that was passed on."""
        return self._text

    def read(self, chunk: Any) -> bool:
        """Take one event of the server's stream; False when nothing more of the answer can follow.

        Servers leave out what they please, so nothing is taken for granted but the shape of what is there.
        """
        self._read_usage(getattr(chunk, "usage", None))
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list) or not choices:
            return True
        delta = getattr(choices[0], "delta", None)
        for thought in (getattr(delta, name, None) for name in THOUGHTS):
            if isinstance(thought, str) and thought:
                self._think(thought)
                break
        content = getattr(delta, "content", None)
        if isinstance(content, str) and content:
            self._add(content)
        if self._stops is not None and self._stops.stopped:
            self.finish_reason = "stop"
            return False
        if reason := getattr(choices[0], "finish_reason", None):
            self.filtered = reason == "content_filter"
            self.finish_reason = "length" if reason == "length" else "stop"
        return True

    def end(self) -> None:
        """Pass on what was held back."""
        rest = self._half.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._half = ""
        self._give(rest if self._stops is None else self._through(rest) + self._stops.finish())

    def _think(self, thought: str) -> None:
        """Pass on a piece of thought, in tags as models write them that send all as one text. Afterthoughts: not."""
        if self._thinking is False:
            return
        self._count()
        whole = thought.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._give(whole if self._thinking else f"{OPEN}\n{whole}")
        self._thinking = True

    def _count(self) -> None:
        if self.first_token_s is None:
            self.first_token_s = time.monotonic() - self._stream.submitted
        self.pieces += 1

    def _add(self, content: str) -> None:
        self._count()
        if self._thinking:
            self._give(f"\n{CLOSE}\n\n")
        self._thinking = False
        content = self._half + content
        half = "\ud800" <= content[-1] <= "\udbff"
        self._half, content = (content[-1], content[:-1]) if half else ("", content)
        whole = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._give(whole if self._stops is None else self._through(whole))

    def _through(self, text: str) -> str:
        assert self._stops is not None
        given = []
        for character in text:
            given.append(self._stops.push(ord(character)))
            if self._stops.stopped:
                break
        return "".join(given)

    def _give(self, text: str) -> None:
        if text:
            self._text += text
            self._stream.put(text)

    def _read_usage(self, usage: Any) -> None:
        told = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
        if isinstance(told[0], int) and isinstance(told[1], int):
            self.usage = told[0], told[1]


class Request:
    """A question on its way to the server, from the first try to the last piece."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        server: Server,
        dialect: Dialect,
        timing: Timing,
        stream: Stream,
        messages: Sequence[Message],
        sampling: Sampling,
        most: int,
    ) -> None:
        """`most` is how many tokens the answer may have."""
        self._create: Any = client.chat.completions.create
        self._server, self._dialect, self._timing = server, dialect, timing
        self._stream, self._messages, self._sampling, self._most = stream, messages, sampling, most
        self.answer = Answer(stream, sampling)

    async def run(self) -> None:
        """Have it answered; `answer` holds what came. Raises an APIError when nothing did, Failed when not all did."""
        tries = 0
        while True:
            sent = self._dialect.fields(self._sampling, self._most)
            try:
                await self._read(sent)
                return
            except Failed:
                raise
            except Exception as error:
                if self.answer.pieces:
                    why = explain(error, self._server)
                    raise Failed(f"The answer was cut off: {why}. What had come is kept.") from error
                if self._dialect.learn(error, sent):
                    continue
                pause = self._pause(error, tries)
                if pause is None:
                    raise
                log.info("%s failed (%s), trying again in %.1f s", self._server.url, type(error).__name__, pause)
                await asyncio.sleep(pause)
                tries += 1

    def generation(self, finish_reason: FinishReason, error: str | None = None) -> Generation:
        """What became of it. Where the server told no numbers of tokens, they are estimates."""
        answer, waiting = self.answer, self._stream.waiting
        answer.end()
        prompt, completion = answer.usage or (waiting.prompt_tokens, answer.pieces)
        return replace(
            waiting,
            text=answer.text,
            finish_reason=finish_reason,
            error=error,
            prompt_tokens=prompt,
            completion_tokens=completion,
            tokens_estimated=answer.usage is None,
            first_token_s=answer.first_token_s,
            total_s=time.monotonic() - self._stream.submitted,
        )

    async def _read(self, sent: dict[str, Any]) -> None:
        answer, loop = self.answer, asyncio.get_running_loop()
        events = await self._create(model=self._server.model, messages=list(self._messages), stream=True, **sent)
        try:
            async with events, asyncio.timeout(None) as patience:
                async for event in events:
                    if not answer.read(event):
                        break
                    if answer.finish_reason is not None and patience.when() is None:
                        patience.reschedule(loop.time() + USAGE_WAIT_S)
        except TimeoutError:
            # Only after the end of the answer: what is missing is the number of its tokens.
            pass
        if answer.filtered:
            raise Failed(f"A filter at `{self._server.url}` ended the answer. Ask in other words.")
        if answer.finish_reason is None:
            raise Failed(self._broken_off())

    def _broken_off(self) -> str:
        server = f"`{self._server.url}`"
        if self.answer.pieces:
            return f"The answer was cut off: {server} ended it in the middle. What had come is kept. Ask again."
        return f"{server} sent no answer. Check that OPENAI_BASE_URL names an OpenAI-compatible server."

    def _pause(self, error: Exception, tries: int) -> float | None:
        """Seconds until the next try; None when there is to be none."""
        if tries >= self._timing.retries or not is_passing(error):
            return None
        # Half of it by chance: many that failed at once must not come back at once.
        pause = min(self._timing.longest_pause, self._timing.first_pause * 2**tries) * random.uniform(0.5, 1.0)
        asked = retry_after(error)
        pause = pause if asked is None else max(asked, pause)
        return pause if time.monotonic() + pause < self._stream.deadline else None
