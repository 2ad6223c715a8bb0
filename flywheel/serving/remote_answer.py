"""One answer from an OpenAI-compatible server: what is sent, when it is tried again, and how the stream is read.

Nothing is tried again once a piece of the answer has come. Knows no threads and no readiness.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import openai

from flywheel.serving.engine import FinishReason, Generation, Message, Sampling, Stream
from flywheel.serving.pieces import Pieces
from flywheel.serving.remote_dialect import Dialect
from flywheel.serving.remote_words import Server, explain, is_passing, retry_after
from flywheel.serving.thinking import CLOSE, OPEN
from flywheel.serving.tool_calls import Calls, hinted
from flywheel.tasks.tools import Tool
from flywheel.words.catalogue import say

USAGE_WAIT_S = 2.0
"""How long the server may take, once the answer has ended, to say how many tokens it was."""
THOUGHTS = ("reasoning_content", "reasoning")
"""Where servers put what a reasoning model thinks, apart from its answer."""
MOST_TOKENS = 2**31
"""A server that tells more than this of one round tells nonsense, which sums over all answers could not hold."""
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


class Answer:
    """The text as it comes; stop texts end it, and characters sent in halves are put together."""

    def __init__(self, stream: Stream, sampling: Sampling, tool: Tool | None = None) -> None:
        self.calls = Calls(tool) if tool else None
        self.finish_reason: FinishReason | None = None
        self.filtered = False
        self.pieces = 0
        self.usage: tuple[int, int] | None = None
        """Tokens of prompt and answer, when the server told."""
        self.first_token_s: float | None = None
        self._earlier = (0, 0)
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
        content = _text_of(getattr(delta, "content", None))
        if self.calls is not None:
            self._collect(self.calls, content, getattr(delta, "tool_calls", None))
        elif content:
            self._add(content)
        if self._stops is not None and self._stops.stopped:
            self.finish_reason = "stop"
            return False
        if reason := getattr(choices[0], "finish_reason", None):
            self.filtered = reason == "content_filter"
            self.finish_reason = "length" if reason == "length" else "stop"
        return True

    def next_round(self) -> None:
        """The results of calls are sent, and the model goes on."""
        self._earlier, self.usage, self.finish_reason = self.used or self._earlier, None, None

    @property
    def used(self) -> tuple[int, int] | None:
        """Tokens of prompts and answers, of all rounds."""
        return self.usage and (self._earlier[0] + self.usage[0], self._earlier[1] + self.usage[1])

    def end(self) -> None:
        """Pass on what was held back."""
        if self.calls is not None and (text := self.calls.text):
            self._add(text)
        rest = self._half.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._half = ""
        self._give(rest if self._stops is None else self._through(rest) + self._stops.finish())

    def _collect(self, calls: Calls, content: str, parts: Any) -> None:
        """Keep what comes until it is known whether it is words or stands beside a call."""
        if content:
            self._count()
            calls.words += content
        if calls.read(parts):
            self._count()

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
        told = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
        counts = [count for count in told if isinstance(count, int) and 0 <= count <= MOST_TOKENS]
        if len(counts) == len(told):
            self.usage = counts[0], counts[1]


def _text_of(content: Any) -> str:
    """The text of a piece; some servers send it as a list of parts, thoughts among them."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


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
        tool: Tool | None = None,
    ) -> None:
        """`most` is how many tokens the answer may have; `tool` is offered to the model, where the server takes it."""
        self._create: Any = client.chat.completions.create
        self._server, self._dialect, self._timing = server, dialect, timing
        self._stream, self._messages, self._sampling, self._most = stream, messages, sampling, most
        self._tool = tool
        self.answer = Answer(stream, sampling, tool)

    async def run(self) -> None:
        """Have it answered; `answer` holds what came. Raises an APIError when nothing did, Failed when not all did."""
        await self._round()
        calls = self.answer.calls
        while calls is not None and calls.open and not calls.over:
            await calls.run()
            self.answer.next_round()
            try:
                await self._round()
            except (Failed, openai.APIError) as error:
                if not calls.ran:
                    raise
                # The statement ran, so there is an answer without the model's words about it.
                log.warning("%s said nothing of a result: %s", self._server.url, error)
                calls.open, calls.words, self.answer.finish_reason = [], "", "stop"
        if calls is not None and calls.failure:
            raise Failed(calls.failure)

    async def _round(self) -> None:
        tries, before = 0, self.answer.pieces
        while True:
            sent = self._dialect.fields(self._sampling, self._most, self._tool)
            try:
                await self._read(sent)
                return
            except Failed:
                raise
            except Exception as error:
                if self.answer.pieces > before:
                    why = explain(error, self._server)
                    raise Failed(say("error.model.cut_off", why=why)) from error
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
        prompt, completion = answer.used or (waiting.prompt_tokens, answer.pieces)
        return replace(
            waiting,
            text=answer.text,
            finish_reason=finish_reason,
            error=error,
            prompt_tokens=prompt,
            completion_tokens=completion,
            tokens_estimated=answer.used is None,
            words=answer.calls.said if answer.calls else None,
            first_token_s=answer.first_token_s,
            total_s=time.monotonic() - self._stream.submitted,
        )

    async def _read(self, sent: dict[str, Any]) -> None:
        answer, loop = self.answer, asyncio.get_running_loop()
        messages: list[Any] = list(self._messages)
        if self._tool is not None and "tools" in sent:
            messages = [*hinted(messages, self._tool), *(self.answer.calls.told if self.answer.calls else [])]
        events = await self._create(model=self._server.model, messages=messages, stream=True, **sent)
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
            raise Failed(say("error.model.filtered", url=self._server.url))
        if answer.finish_reason is None:
            raise Failed(self._broken_off())

    def _broken_off(self) -> str:
        server = f"`{self._server.url}`"
        if self.answer.pieces:
            return say("error.model.broken_off", server=server)
        return say("error.model.sent_nothing", server=server)

    def _pause(self, error: Exception, tries: int) -> float | None:
        """Seconds until the next try; None when there is to be none."""
        if tries >= self._timing.retries or not is_passing(error):
            return None
        # Half of it by chance: many that failed at once must not come back at once.
        pause = min(self._timing.longest_pause, self._timing.first_pause * 2**tries) * random.uniform(0.5, 1.0)
        asked = retry_after(error)
        pause = pause if asked is None else max(asked, pause)
        return pause if time.monotonic() + pause < self._stream.deadline else None
