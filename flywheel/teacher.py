"""The teacher: a larger model at any OpenAI-compatible server, asked for drafts that people review.

Personal data and secrets are redacted here, so that no caller can send them out of the house. A call has one time for
all; what passes (busy, broken connection) is tried again after pauses that chance spreads. Knows no examples.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel.errors import FlywheelError, InvalidInput, Unavailable
from flywheel.redaction.redact import redact
from flywheel.serving.thinking import parted
from flywheel.settings import Settings
from flywheel.words.catalogue import say

if TYPE_CHECKING:
    from flywheel.serving.remote_words import Server

Message = dict[str, str]
MOST_ANSWER = 4096
"""Tokens of one answer, thoughts included."""
BYTES_A_TOKEN = 3
NAMES = {
    "OPENAI_BASE_URL": "FLYWHEEL_TEACHER_BASE_URL",
    "OPENAI_API_KEY": "FLYWHEEL_TEACHER_API_KEY",
    "FLYWHEEL_BASE_MODEL": "FLYWHEEL_TEACHER_MODEL",
}
"""The words for a server's errors name the settings of the chat's model; these are the teacher's."""


@dataclass(frozen=True)
class Patience:
    """Seconds, but for `tries`."""

    connect: float = 5.0
    silence: float = 90.0
    """Longest wait for the next bytes."""
    total: float = 180.0
    """Of one call with all its tries."""
    tries: int = 4
    first_pause: float = 0.5
    longest_pause: float = 20.0


@dataclass(frozen=True)
class Taught:
    """One answer of the teacher."""

    text: str
    """Without thoughts."""
    tokens: int
    """Of question and answer, as the server counts; an estimate where it does not tell."""
    whole: bool
    """False: it was cut for its length."""


class Unanswered(FlywheelError):
    """The teacher works and gave no answer to this: it refused, or said nothing. Another question may be answered."""

    status = 502

    def __init__(self, words: str, tokens: int) -> None:
        super().__init__(words)
        self.tokens = tokens


class Teacher:
    """Asks the configured server. Thread-safe; a call blocks its thread, so ask from no event loop."""

    def __init__(self, settings: Settings, patience: Patience | None = None) -> None:
        self._settings, self._patience = settings, patience or Patience()
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """The teacher's model; empty when none is configured."""
        return self._settings.teacher_model

    def complete(self, messages: Sequence[Message]) -> str:
        """The answer's text. Raises as `ask`."""
        return self.ask(messages).text

    def ask(self, messages: Sequence[Message], *, temperature: float = 0.0) -> Taught:
        """One answer. Raises InvalidInput when no teacher is configured, Unanswered when it refuses this question,
        Unavailable when the server lets nobody in, is busy for long, breaks, or takes too much time."""
        if not self.name:
            raise InvalidInput(say("error.teacher.none"))
        sent = [{"role": m["role"], "content": redact(m["content"]).text} for m in messages]
        return _in_own_loop(lambda: asyncio.run(self._asked(sent, temperature)))

    async def _asked(self, messages: list[Message], temperature: float) -> Taught:
        # Not at the top: the client takes its time to load, and most commands never ask.
        import openai

        from flywheel.serving.remote_words import Server, explain

        settings, patience = self._settings, self._patience
        server = Server(settings.teacher_base_url, settings.teacher_model, settings.teacher_api_key)
        client = openai.AsyncOpenAI(
            base_url=server.url,
            api_key=server.key or "none",
            timeout=openai.Timeout(patience.silence, connect=patience.connect),
            max_retries=0,
        )
        try:
            async with client, asyncio.timeout(patience.total):
                answer = await self._tried(client, messages, temperature)
        except TimeoutError as error:
            raise Unavailable(say("error.teacher.late", url=server.url, seconds=f"{patience.total:.0f}")) from error
        except Exception as error:
            if not isinstance(error, openai.OpenAIError | ValueError | AttributeError | TypeError):
                raise
            raise Unavailable(_sentence(explain(error, server))) from error
        return _read(answer, messages, server)

    async def _tried(self, client: Any, messages: list[Message], temperature: float) -> Any:
        """The server's answer; what it refuses of the fields is left out, what passes is tried again."""
        import openai

        from flywheel.serving.remote_words import is_passing

        tries = 0
        while True:
            fields = self._fields(temperature)
            try:
                return await client.chat.completions.create(model=self.name, messages=messages, stream=False, **fields)
            except openai.APIError as error:
                if self._learns(error, fields):
                    continue
                tries += 1
                if tries >= self._patience.tries or not is_passing(error):
                    raise
                await asyncio.sleep(self._pause(error, tries))

    def _fields(self, temperature: float) -> dict[str, Any]:
        most = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        wanted = {"temperature": temperature, most: MOST_ANSWER}
        return {name: value for name, value in wanted.items() if name not in self._refused}

    def _learns(self, error: Any, sent: dict[str, Any]) -> bool:
        """Newer servers want another name for the most tokens, some models no temperature."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        named = next((name for name in sent if error.param == name or f"'{name}'" in str(error)), None)
        self._refused |= {named} if named else set()
        return named is not None

    def _pause(self, error: Exception, tries: int) -> float:
        """Half of it by chance: many that failed at once must not come back at once."""
        from flywheel.serving.remote_words import retry_after

        patience = self._patience
        pause = min(patience.longest_pause, patience.first_pause * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)
        return max(retry_after(error) or 0.0, pause)


def _in_own_loop(run: Callable[[], Taught]) -> Taught:
    """In a thread of its own where this one runs an event loop already: a loop cannot wait for another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    ended: list[Taught | Exception] = []

    def work() -> None:
        try:
            ended.append(run())
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=work, name="teacher")
    thread.start()
    thread.join()
    if isinstance(ended[0], Exception):
        raise ended[0]
    return ended[0]


def _read(answer: Any, messages: list[Message], server: "Server") -> Taught:
    """What the server sent; it leaves out what it pleases, so nothing is taken for granted."""
    choices = getattr(answer, "choices", None) or []
    message = getattr(choices[0], "message", None) if choices else None
    content = getattr(message, "content", None)
    text = parted(content).text.strip() if isinstance(content, str) else ""
    total = getattr(getattr(answer, "usage", None), "total_tokens", None)
    said = [content if isinstance(content, str) else "", *(m["content"] for m in messages)]
    tokens = total if isinstance(total, int) and total > 0 else sum(len(t.encode()) for t in said) // BYTES_A_TOKEN + 1
    reason = getattr(choices[0], "finish_reason", None) if choices else None
    if reason == "content_filter" or getattr(message, "refusal", None):
        raise Unanswered(say("error.teacher.refused", model=server.model), tokens)
    if not text:
        raise Unanswered(say("error.teacher.empty", model=server.model), tokens)
    return Taught(text, tokens, reason != "length")


def _sentence(words: str) -> str:
    for chats, ours in NAMES.items():
        words = words.replace(chats, ours)
    return f"{words[:1].upper()}{words[1:]}."
