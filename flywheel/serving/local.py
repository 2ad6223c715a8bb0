"""The engine in this process: one thread owns the model and makes every call on it; requests wait in a queue.

A request names its version and keeps it to its last token, whatever is promoted meanwhile. Callers' threads only
render and count. Knows no conversations, no database and no page; model libraries are imported in the thread, so that
the app is up before they are.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from flywheel.errors import PUBLIC, Damaged, InvalidInput, NotFound, Unavailable
from flywheel.serving.engine import BASE_VERSION, AdapterSpec, Generation, Message, Sampling, Stream
from flywheel.serving.local_decode import Decoding, Limits
from flywheel.serving.local_models import Models
from flywheel.serving.pieces import Pieces

MOST_WAITING = 64
LEAST_ANSWER = 32
"""Tokens that a prompt must leave for the answer (less on a base that reads fewer than 128)."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    stream: Stream
    prompt: list[int]
    sampling: Sampling


@dataclass(frozen=True)
class _Warm:
    version: str
    done: "Future[None]"


class LocalEngine:
    """Answers with transformers and peft on this machine's CPU or GPU, one request at a time."""

    def __init__(
        self,
        base: str,
        revision: str | None,
        adapters: Callable[[str], AdapterSpec | None],
        *,
        name: str = "",
        first: str = BASE_VERSION,
    ) -> None:
        """Start loading in the background; `ready` tells when it is done.

        `base` is a folder or a Hub id in the local cache, `name` what people call it. `adapters` finds a version's
        adapter (None: unknown). `first` is the version whose weights are loaded at once; others follow on first use.
        """
        self._source, self._revision, self._adapters, self._first = base, revision, adapters, first
        self._base = name or base
        self._models: Models | None = None
        self._ready = (False, f"loading `{self._base}`")
        self._settled = threading.Event()
        self._queue: SimpleQueue[_Request | _Warm | None] = SimpleQueue()
        self._tokenizing = threading.Lock()
        self._opening = threading.Lock()
        self._open: set[Stream] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        """What people call the base model."""
        return self._base

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and answer together. Unavailable while loading."""
        self._need_ready()
        return self._context

    def ready(self) -> tuple[bool, str]:
        """Whether it answers now, and in words what runs where, that it loads, or why it cannot."""
        return self._ready

    def wait_ready(self, timeout_s: float) -> tuple[bool, str]:
        """Wait until loading has ended, well or badly, then say as `ready` does."""
        self._settled.wait(timeout_s)
        return self._ready

    def control_tokens(self) -> tuple[str, ...]:
        """Texts that the tokenizer reads as control tokens. Unavailable while loading."""
        self._need_ready()
        added = self._tokenizer.added_tokens_decoder.values()
        return tuple(sorted({token.content for token in added if token.special}))

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Tokens of a text, or of messages as rendered for an answer. Unavailable while loading."""
        self._need_ready()
        return len(self._tokens(text) if isinstance(text, str) else self._render(text)[1])

    def check(self, messages: Sequence[Message]) -> None:
        """Raise InvalidInput when the prompt is too long for the base or its template refuses it."""
        self._need_ready()
        self._render_checked(messages)

    def submit(self, messages: Sequence[Message], version: str, sampling: Sampling) -> Stream:
        """Queue a request for an answer by exactly `version`.

        Raises InvalidInput as `check` does, and Unavailable while loading, when closed or when too many wait; whatever
        happens later is the Generation's `error`.
        """
        self._need_ready()
        rendered, prompt = self._render_checked(messages)
        known = Generation("", "error", version, self._base, "", len(prompt), rendered_prompt=rendered)
        stream = Stream(known, sampling.deadline_s)
        with self._opening:
            if sum(not other.cancelled for other in self._open) >= MOST_WAITING:
                raise Unavailable(f"{MOST_WAITING} questions wait for the model already. Try again in a minute.")
            self._open.add(stream)
        self._queue.put(_Request(stream, prompt, sampling))
        return stream

    def warm(self, version: str, timeout_s: float = 120.0) -> None:
        """Load a version ahead of its first request.

        Raises what a request would be told: NotFound, Damaged, or Unavailable when it takes longer than `timeout_s`.
        """
        self._need_ready()
        done: Future[None] = Future()
        self._queue.put(_Warm(version, done))
        try:
            done.result(timeout_s)
        except TimeoutError as error:
            raise Unavailable(f"Loading `{version}` takes longer than {timeout_s:.0f} s. Try again later.") from error

    def close(self) -> None:
        """Stop the answer under way, refuse those that wait, free the model. May be called twice."""
        self._closed = True
        self._ready = (False, "the engine is closed")
        self._queue.put(None)
        with self._opening:
            for stream in self._open:
                stream.cancel()
        self._thread.join(timeout=30)

    def _need_ready(self) -> None:
        ready, words = self._ready
        if not ready:
            raise Unavailable(f"The model does not answer yet: {words}. Try again when it is ready.")

    def _tokens(self, text: str) -> list[int]:
        with self._tokenizing:
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message]) -> tuple[str, list[int]]:
        from jinja2 import TemplateError

        try:
            rendered = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise InvalidInput(
                f"The chat template of `{self._base}` refuses this conversation ({error}). Start a new one."
            ) from error
        return rendered, self._tokens(rendered)

    def _render_checked(self, messages: Sequence[Message]) -> tuple[str, list[int]]:
        rendered, prompt = self._render(messages)
        most = self._context - min(LEAST_ANSWER, self._context // 4)
        if len(prompt) > most:
            raise InvalidInput(
                f"This is {len(prompt)} tokens long and `{self._base}` reads at most {most}. Shorten the message."
            )
        return rendered, prompt

    def _run(self) -> None:
        try:
            self._load()
        except PUBLIC as error:
            self._ready = (False, str(error))
        except Exception:
            log.exception("loading %s failed", self._base)
            self._ready = (False, f"`{self._base}` could not be loaded, and the log says why")
        self._settled.set()
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Warm):
                self._warm(item)
            else:
                self._serve(item)
        self._models = None

    def _load(self) -> None:
        from trainers.environment import silence

        began = time.monotonic()
        silence()
        _use_cores()
        models = Models(self._source, self._revision, self._adapters)
        try:
            model, _ = models.select(self._first)
        except (NotFound, Damaged) as error:
            # The base answers all the same; whoever asks this version is told what is wrong with it.
            log.error("%s", error)
            model, _ = models.select(BASE_VERSION)
        self._models, self._tokenizer = models, models.tokenizer
        self._context = _context_length(model, models.tokenizer)
        self._ends = _end_ids(model, models.tokenizer)
        where = f"on {model.device} in {str(model.dtype).removeprefix('torch.')}"
        log.info("%s is ready %s after %.1f s", self._base, where, time.monotonic() - began)
        if not self._closed:
            self._ready = (True, f"`{self._base}` answers {where}")

    def _serve(self, request: _Request) -> None:
        stream = request.stream
        if stream.take():
            pieces = Pieces(self._decode_ids, request.sampling.stop)
            try:
                generation = self._answer(request, pieces)
            except PUBLIC as error:
                generation = replace(stream.waiting, text=pieces.text, error=str(error))
            except Exception:
                log.exception("answering with %s failed", stream.waiting.version)
                words = "The model failed while it answered, and the log says why. Ask again; if it stays, restart."
                generation = replace(stream.waiting, text=pieces.text, error=words)
            stream.finish(replace(generation, total_s=time.monotonic() - stream.submitted))
        with self._opening:
            self._open.discard(stream)

    def _answer(self, request: _Request, pieces: Pieces) -> Generation:
        stream, prompt = request.stream, request.prompt
        assert self._models is not None
        model, base_form = self._models.select(stream.waiting.version)
        limits = Limits(self._ends, min(request.sampling.max_new_tokens, self._context - len(prompt)))
        done = Decoding(model, limits, request.sampling, pieces, stream)
        done.run(prompt)
        return replace(
            stream.waiting,
            text=pieces.text,
            finish_reason=done.finish_reason,
            base_form=base_form,
            completion_tokens=done.tokens,
            mean_logprob=done.logprob / done.tokens if done.tokens else None,
            first_token_s=done.first_token_s,
        )

    def _warm(self, warm: _Warm) -> None:
        assert self._models is not None
        try:
            self._models.select(warm.version)
        except PUBLIC as error:
            warm.done.set_exception(error)
        except Exception:
            log.exception("loading %s failed", warm.version)
            words = f"Version `{warm.version}` could not be loaded, and the log says why. Roll back to another version."
            warm.done.set_exception(Unavailable(words))
        else:
            warm.done.set_result(None)

    def _decode_ids(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)


def _use_cores() -> None:
    """Leave one core to everything else: threads that spin for each other on a busy machine are slower than one."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores - 1)))


def _context_length(model: Any, tokenizer: Any) -> int:
    return min(model.config.get_text_config().max_position_embeddings, tokenizer.model_max_length)


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """All ids that end an answer: chat models often have one for the turn and one for the text."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in (*several, tokenizer.eos_token_id) if token is not None)
