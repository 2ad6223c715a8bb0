"""The engine in this process: one thread owns the model and makes every call on it; requests share its steps.

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
from queue import SimpleQueue
from typing import Any

from flywheel.errors import PUBLIC, Damaged, InvalidInput, NotFound, TooMany, Unavailable
from flywheel.serving.engine import BASE_VERSION, AdapterSpec, Generation, Message, Sampling, Stream
from flywheel.serving.loading import Prepare
from flywheel.serving.local_decode import Limits, Row
from flywheel.serving.local_loop import Item, Loop, Warm
from flywheel.serving.local_models import Models
from flywheel.serving.pieces import Decode, Pieces
from flywheel.serving.texts import Texts
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

MOST_WAITING = 64
LEAST_ANSWER = 32
"""Tokens that a prompt must leave for the answer (less on a base that reads fewer than 128)."""
MOST_BYTES = 2 << 30
"""Memory for the answers under way on a CPU, if that is no more than an eighth of what the machine has."""
log = logging.getLogger(__name__)


class LocalEngine:
    """Answers with transformers and peft on this machine's CPU or GPU, several requests at once."""

    def __init__(
        self,
        base: str,
        revision: str | None,
        adapters: Callable[[str], AdapterSpec | None],
        *,
        name: str = "",
        first: str = BASE_VERSION,
        prepare: Prepare | None = None,
        load: bool = True,
    ) -> None:
        """Start loading in the background; `ready` tells when it is done. Unless `load`, only once somebody waits.

        `prepare` has the base here before it is loaded, telling how far it is, and returns where.
        `base` is a folder or a Hub id in the local cache, `name` what people call it. `adapters` finds a version's
        adapter (None: unknown). `first` is the version whose weights are loaded at once; others follow on first use.
        """
        self._source, self._revision, self._adapters, self._first = base, revision, adapters, first
        self._base = name or base
        self._ready = (False, f"loading `{self._base}`")
        self._settled = threading.Event()
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._tokenizing = threading.Lock()
        self._opening = threading.Lock()
        self._open: set[Stream] = set()
        self._closed, self._closing, self._prepare = False, threading.Event(), prepare
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._started = False
        if load:
            self._start()

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
        self._start()
        self._settled.wait(timeout_s)
        return self._ready

    def control_tokens(self) -> tuple[str, ...]:
        """Texts that the tokenizer reads as control tokens. Unavailable while loading."""
        self._need_ready()
        added = self._tokenizer.added_tokens_decoder.values()
        return tuple(sorted({token.content for token in added if token.special}))

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Tokens of a text, or of messages as rendered for an answer; ending in an answer, as a trainer renders them.

        Unavailable while loading.
        """
        self._need_ready()
        return len(self._tokens(text) if isinstance(text, str) else self._render(text)[1])

    def texts(self) -> Texts:
        """The base's tokenizer for many texts. Unavailable while loading."""
        self._need_ready()
        return self._texts

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
        return self._begin(*self._render_checked(messages), version, sampling, self._decode_ids)

    def _begin(self, rendered: str, prompt: list[int], version: str, sampling: Sampling, decode: Decode) -> Stream:
        known = Generation("", "error", version, self._base, "", len(prompt), rendered_prompt=rendered)
        stream = Stream(known, sampling.deadline_s)
        limits = Limits(self._ends, min(sampling.max_new_tokens, self._context - len(prompt)))
        row = Row(prompt, limits, sampling, Pieces(decode, sampling.stop), stream)
        with self._opening:
            if self._closed:
                raise Unavailable(say("error.model.stopped"))
            if sum(not other.cancelled for other in self._open) >= MOST_WAITING:
                raise TooMany(say("error.model.queue_full", count=MOST_WAITING))
            self._open.add(stream)
            self._queue.put(row)
        return stream

    def warm(self, version: str, timeout_s: float = 120.0) -> None:
        """Load a version ahead of its first request, between the steps of answers under way.

        Raises what a request would be told: NotFound, Damaged, or Unavailable when it takes longer than `timeout_s`.
        """
        self._need_ready()
        done: Future[None] = Future()
        with self._opening:
            if self._closed:
                raise Unavailable(say("error.model.stopped"))
            self._queue.put(Warm(version, done))
        try:
            done.result(timeout_s)
        except TimeoutError as error:
            raise Unavailable(say("error.model.loads_long", version=version, seconds=f"{timeout_s:.0f}")) from error

    def close(self) -> None:
        """Stop the answers under way, refuse those that wait, free the model. May be called twice."""
        self._closing.set()
        with self._opening:
            self._closed = True
            self._ready = (False, "the engine is closed")
            for stream in self._open:
                stream.cancel()
        self._queue.put(None)
        if self._started:
            self._thread.join(timeout=30)

    def _start(self) -> None:
        with self._opening:
            if not self._started and not self._closed:
                self._started = True
                self._thread.start()

    def _need_ready(self) -> None:
        ready, words = self._ready
        if not ready:
            raise Unavailable(say("error.model.not_yet", words=words))

    def _tokens(self, text: str) -> list[int]:
        with self._tokenizing:
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message], **more: Any) -> tuple[str, list[int]]:
        from jinja2 import TemplateError

        try:
            more["add_generation_prompt"] = messages[-1]["role"] != "assistant"
            rendered = self._tokenizer.apply_chat_template(list(messages), tokenize=False, **more)
        except TemplateError as error:
            raise InvalidInput(say("error.model.template_refuses", base=self._base, reason=error)) from error
        return rendered, self._tokens(rendered)

    def _render_checked(self, messages: Sequence[Message], **more: Any) -> tuple[str, list[int]]:
        rendered, prompt = self._render(messages, **more)
        most = self._context - min(LEAST_ANSWER, self._context // 4)
        if len(prompt) > most:
            raise InvalidInput(say("error.model.too_long", count=len(prompt), base=self._base, most=most))
        return rendered, prompt

    def _run(self) -> None:
        loop = None
        try:
            loop = self._load()
        except PUBLIC as error:
            self._ready = (False, words_of(error))
        except Exception as error:
            if not self._closed:
                log.error("loading %s failed", self._base, exc_info=error)
            self._ready = (False, say("model.not_loaded", base=self._base))
        self._settled.set()
        if loop:
            self._work(loop)

    def _work(self, loop: Loop) -> None:
        try:
            loop.run(self._queue)
        except Exception:
            log.exception("the model thread stopped")
            self._ready = (False, say("model.thread_stopped"))
        with self._opening:
            self._closed = True
        loop.end(self._queue)

    def _ended(self, row: Row) -> None:
        with self._opening:
            self._open.discard(row.stream)

    def _say(self, words: str, *, stuck: bool = False) -> None:
        if not self._closed:
            self._ready = (False, words)
        (self._settled.set if stuck else self._settled.clear)()

    def _load(self) -> Loop:
        from trainers.environment import silence

        note = ""
        if self._prepare is not None:
            self._source, self._revision, note = self._prepare(self._say, self._closing)
            self._say(say("model.loading", base=self._base))
        began = time.monotonic()
        silence()
        _use_cores()
        models = Models(self._source, self._revision, self._adapters)
        try:
            model = models.select(self._first, models.find(self._first))
        except (NotFound, Damaged) as error:
            # The base answers all the same; whoever asks this version is told what is wrong with it.
            log.error("%s", error)
            model = models.select(BASE_VERSION, None)
        self._tokenizer = models.tokenizer
        self._texts = Texts(models.tokenizer, self._tokenizing)
        most_tokens = _memory(model) // max(1, models.memory.bytes_per_token)
        written = _context_length(model, models.tokenizer)
        self._context = min(written, most_tokens)
        self._ends = _end_ids(model, models.tokenizer)
        where = f"on {model.device} in {str(model.dtype).removeprefix('torch.')}"
        where += f" ({note})" if note else ""
        if self._context < written:
            where += f"; {say('model.reads_less', context=self._context, written=written)}"
        if models.memory.apart:
            where += f"; {say('model.take_turns', why=models.memory.apart)}"
        log.info("%s is ready %s after %.1f s", self._base, where, time.monotonic() - began)
        if not self._closed:
            self._ready = (True, f"`{self._base}` answers {where}")
        return Loop(models, most_tokens, self._ended)

    def _decode_ids(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)


def _use_cores() -> None:
    """Leave one core to everything else: threads that spin for each other on a busy machine are slower than one."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores - 1)))


def _memory(model: Any) -> int:
    """Bytes for what the model remembers of all answers under way; never what a machine happens to have free."""
    import torch

    if model.device.type == "cuda":
        return int(torch.cuda.mem_get_info(model.device)[0] // 2)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return min(MOST_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
    return MOST_BYTES


def _context_length(model: Any, tokenizer: Any) -> int:
    return min(model.config.get_text_config().max_position_embeddings, tokenizer.model_max_length)


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """All ids that end an answer: chat models often have one for the turn and one for the text."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in (*several, tokenizer.eos_token_id) if token is not None)
