"""POST /v1/chat/completions: a request read, answered by the chat service on a thread, and told as OpenAI does.

What a program says is stored as what a person says is, with the source `rest` and the key as its owner. Knows the
chat service and no model.
"""

import contextlib
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flywheel.errors import Forbidden, Unavailable
from flywheel.history import Message
from flywheel.problem import Problem, problem_of
from flywheel.reply import Update
from flywheel.rest.answers import Answer, Chunks, Record, answer_of
from flywheel.rest.door import Caller, caller_of
from flywheel.rest.room import Gone, Room
from flywheel.rest.shapes import CompletionBody, parsed
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.serving.engine import Sampling

SERVED = "flywheel"
"""The model's name for whatever version serves now."""
DEADLINE_S = 120.0
"""Seconds for an answer, from when the model is asked; it ends there with what it has."""
INSTRUCTIONS = ("system", "developer")
"""Roles whose message takes the place of the task's own instructions."""
MOST_KNOWN = 10_000
ENDING = "The answer was not finished: the app is ending. Try again in a moment."
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Told:
    """The messages of a request, taken apart."""

    system: str | None
    earlier: tuple[Message, ...]
    """Questions and answers by turns."""
    text: str
    """The question."""

    @property
    def messages(self) -> list[Message]:
        """All of them but the system message."""
        return [*self.earlier, _message("user", self.text)]


class Ends:
    """Which of our answers ends which conversation, as their callers know it; the newest ones.

    A request whose earlier messages are exactly such a conversation goes on with it. Lost at a restart: then a request
    is a conversation of its own, which is as true.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: OrderedDict[bytes, str] = OrderedDict()

    def keep(self, caller: str, messages: Sequence[Message], turn_id: str) -> None:
        with self._lock:
            self._turns[_digest(caller, messages)] = turn_id
            while len(self._turns) > MOST_KNOWN:
                self._turns.popitem(last=False)

    def find(self, caller: str, messages: Sequence[Message]) -> str | None:
        with self._lock:
            return self._turns.get(_digest(caller, messages)) if messages else None


@dataclass
class _Request:
    """One request on its way; `version` is set when its answer begins."""

    caller: Caller
    body: CompletionBody
    told: Told
    version: str = ""


class Completions:
    """The endpoint, with what it remembers between requests."""

    def __init__(self, services: Services, room: Room) -> None:
        self._services, self._room = services, room
        self._ends = Ends()

    async def post(self, request: Request) -> Response:
        """One answer, whole or as a stream of server-sent events."""
        caller = caller_of(request, self._services.keys)
        body = parsed(CompletionBody, await request.body())
        if body.stream_options is not None and not body.stream:
            raise Problem(
                400, "`stream_options` needs `stream`. Set `stream`, or leave it out.", param="stream_options"
            )
        asked = _Request(caller, body, told_by(body))
        if asked.told.system is not None and caller.who.role < Role.OWNER:
            raise Forbidden("A `system` message needs a key with the role `owner`. Leave it out, or use such a key.")
        updates = self._room.follow(caller.who.id, lambda: self._answering(asked), request)
        try:
            # Whatever refuses the request does so before its first update: then there is a status to say it with.
            await anext(updates)
            if not body.stream:
                return await self._whole(asked, updates)
        except Gone:
            return Response(status_code=400)
        return StreamingResponse(self._events(asked, updates), media_type="text/event-stream", headers=SSE_HEADERS)

    def _answering(self, asked: _Request) -> Generator[Update, None, None]:
        """On a thread: the updates of the answer."""
        services, body, told, who = self._services, asked.body, asked.told, asked.caller.who
        services.keys.used(asked.caller.key)
        if body.model != SERVED and not services.versions.known(body.model):
            words = f"There is no model `{body.model[:60]}`. Ask for `{SERVED}`, or for one that GET /v1/models names."
            raise Problem(404, words, param="model", code="model_not_found")
        asked.version = services.versions.served() if body.model == SERVED else body.model
        after = self._ends.find(who.id, told.earlier)
        yield from services.chat.complete(
            who,
            () if after else told.earlier,
            told.text,
            after=after,
            version=asked.version,
            sampling=sampling_of(body, services.chat.usual_sampling()),
            system=told.system,
            user=body.user or "",
        )

    async def _whole(self, asked: _Request, updates: AsyncGenerator[Update, None]) -> Response:
        async with contextlib.aclosing(updates):
            async for update in updates:
                if update.done:
                    answer = self._ended(asked, update)
                    return Response(json.dumps(answer.whole()), media_type="application/json")
        raise Unavailable(ENDING)

    async def _events(self, asked: _Request, updates: AsyncGenerator[Update, None]) -> AsyncIterator[str]:
        usage = bool(asked.body.stream_options and asked.body.stream_options.include_usage)
        chunks: Chunks | None = None
        try:
            async with contextlib.aclosing(updates):
                async for update in updates:
                    chunks = chunks or Chunks(update.turn_id, asked.version, self._services.task, with_usage=usage)
                    for chunk in self._chunks_of(asked, chunks, update):
                        yield f"data: {json.dumps(chunk)}\n\n"
                    if update.done:
                        yield "data: [DONE]\n\n"
                        return
            raise Unavailable(ENDING)
        except Gone:
            return
        except Exception as error:
            yield f"data: {problem_of(error).body()}\n\n"

    def _chunks_of(self, asked: _Request, chunks: Chunks, update: Update) -> Iterator[Record]:
        if update.done:
            yield from chunks.last(self._ended(asked, update))
        else:
            yield from chunks.more(update.text, update.thinking)

    def _ended(self, asked: _Request, update: Update) -> Answer:
        """The ended answer. Raises Problem when the model failed or was stopped by somebody else."""
        answer = answer_of(update, self._services.task)
        if answer.turn.state == "failed":
            raise Problem(500, update.notice or "The model failed while it answered. Ask again.", code="model_failed")
        if answer.turn.details.get("finish_reason") == "cancelled":
            raise Unavailable(ENDING)
        if answer.content.strip():
            self._ends.keep(
                asked.caller.who.id, [*asked.told.messages, _message("assistant", answer.content)], answer.turn.id
            )
        return answer


def told_by(body: CompletionBody) -> Told:
    """The messages taken apart; several of one side in a row are one. Raises Problem (400) for another order."""
    messages = list(body.messages)
    system = messages.pop(0).content if messages[0].role in INSTRUCTIONS else None
    shift = len(body.messages) - len(messages)
    said: list[Message] = []
    for at, message in enumerate(messages, start=shift):
        if message.role in INSTRUCTIONS:
            words = (
                f"`messages[{at}].role` is `{message.role}`. There is one such message at most, and it is the first."
            )
            raise Problem(400, words, param=f"messages[{at}].role")
        if said and said[-1]["role"] == message.role:
            said[-1] = _message(message.role, f"{said[-1]['content']}\n\n{message.content}")
        else:
            said.append(_message(message.role, message.content))
    if not said or said[0]["role"] != "user" or said[-1]["role"] != "user":
        words = "`messages` must begin and end with a message of the role `user`. Send the question last."
        raise Problem(400, words, param="messages")
    return Told(system, tuple(said[:-1]), said[-1]["content"])


def sampling_of(body: CompletionBody, usual: Sampling) -> Sampling:
    """How the answer is drawn; what is not given is as on the page, but for the deadline. Raises InvalidInput."""
    given: dict[str, Any] = {
        "max_new_tokens": body.max_completion_tokens or body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": body.seed,
        "stop": body.stops or None,
    }
    return replace(usual, deadline_s=DEADLINE_S, **{name: value for name, value in given.items() if value is not None})


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _digest(caller: str, messages: Sequence[Message]) -> bytes:
    return hashlib.sha256(json.dumps([caller, list(messages)]).encode()).digest()
