"""The engine in this process, for a base that calls functions: a question takes several rounds, each its own answer.

Only the base itself is offered the tool. A version that was trained here learnt from rows without one, and was measured
without: it answers as it was taught. What a round writes is kept until it is known whether it is a call; thoughts are
passed on at once. Whoever reads the answer also drives it, so that no thread waits for a model. Knows no page.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from flywheel.errors import PUBLIC, InvalidInput
from flywheel.serving.engine import BASE_VERSION, Generation, Message, Sampling, Stream
from flywheel.serving.local import LocalEngine
from flywheel.serving.thinking import parted
from flywheel.serving.tool_calls import Calls
from flywheel.serving.tool_template import ToolTemplate, find_template
from flywheel.tasks.tools import Tool
from flywheel.words.catalogue import say

Told = Sequence[dict[str, Any]]
LEAST_S = 0.05
"""Seconds that a round gets, however late it is: then it ends as overdue, in the engine's own words."""
log = logging.getLogger(__name__)


class CallingEngine(LocalEngine):
    """A local engine that offers a tool to its base, where the base's chat template takes one."""

    def __init__(self, *args: Any, tool: Tool, **options: Any) -> None:
        """As LocalEngine; `tool` is what may be called."""
        self._tool, self._looked = tool, False
        self._template: ToolTemplate | None = None
        super().__init__(*args, **options)

    def submit(self, messages: Sequence[Message], version: str, sampling: Sampling) -> Stream:
        """As LocalEngine's; an answer of the base may take several rounds, with calls of the tool in between.

        Where one question and the tool do not fit the base together, it is asked without the tool.
        """
        self._need_ready()
        template = self._takes_tools() if version == BASE_VERSION else None
        if template is None:
            return super().submit(messages, version, sampling)

        def begin(told: Told, seconds: float) -> Stream:
            rendered = self._render_checked(template.messages(messages, told), tools=[self._tool.spec])
            # A text to stop at ends what is given out in the end, not a statement on its way.
            drawn = replace(sampling, stop=(), deadline_s=max(LEAST_S, seconds))
            return self._begin(*rendered, version, drawn, self._decode_marked)

        try:
            return Rounds(begin, template, sampling)
        except InvalidInput:
            if sum(message["role"] != "system" for message in messages) > 1:
                raise
            return super().submit(messages, version, sampling)

    def _takes_tools(self) -> ToolTemplate | None:
        if not self._looked:
            self._template = find_template(self._tokenizer, self._tool)
            self._looked = True
            log.info("%s is %soffered `%s`", self.base, "" if self._template else "not ", self._tool.name)
        return self._template

    def _decode_marked(self, ids: Sequence[int]) -> str:
        """With special tokens: some bases begin a call with one."""
        text = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return str(text)


class Rounds(Stream):
    """One answer in several rounds. The text given out is the thoughts before the first call, then what it came to."""

    def __init__(self, begin: Callable[[Told, float], Stream], template: ToolTemplate, sampling: Sampling) -> None:
        """Begin the first round. `begin` starts one from what was told so far, within so many seconds."""
        self._begin, self._rounds_of, self._stop = begin, template, sampling.stop
        self._inner = begin([], sampling.deadline_s)
        super().__init__(self._inner.waiting, sampling.deadline_s)
        self._calls = Calls(template.tool)
        self._made: list[Generation] = []
        self._raw, self._given, self._over = "", "", False

    def __iter__(self) -> Iterator[str | None]:
        while not self._over:
            for piece in self._inner:
                yield self._thought(piece or "")
            self._ended(self._inner.result())
        yield from super().__iter__()

    def cancel(self) -> None:
        """Stop the round under way; no other begins."""
        self._cancelled.set()
        self._inner.cancel()

    def _thought(self, piece: str) -> str | None:
        """What of the first round is certain to be thoughts, and was not given out yet."""
        if not piece or self._made:
            return None
        self._raw += piece
        said = parted(self._raw, prompt=self.waiting.rendered_prompt)
        if not said.thinking:
            return None
        new = self._raw[len(self._given) : len(self._raw) - len(said.text)]
        self._given += new
        return new or None

    def _ended(self, made: Generation) -> None:
        """One round is over: run what it called and go on, or conclude."""
        self._made.append(made)
        calls = self._calls
        calls.words, calls.open = self._rounds_of.read(made.text, made.rendered_prompt)
        whole = made.finish_reason in ("stop", "length")
        error = made.error
        if whole and calls.open and not calls.over:
            calls.run_here()
            try:
                self._inner = self._begin(calls.told, self.deadline - time.monotonic())
            except PUBLIC as refused:
                error = str(refused)
            except Exception:
                # A template is a program of whoever made the base; the answer must end, and be kept.
                log.exception("going on after a call failed")
                error = say("error.model.failed")
            else:
                if self.cancelled:
                    self._inner.cancel()
                return
        self._conclude(made, error)

    def _conclude(self, last: Generation, error: str | None) -> None:
        calls, reason = self._calls, last.finish_reason
        if error is not None and calls.ran:
            # The statement ran, so there is an answer without the model's words about it.
            log.warning("%s said nothing of a result: %s", last.base, error)
            calls.open, calls.words, reason, error = [], "", "stop", None
        elif error is None and reason in ("stop", "length"):
            error = calls.failure
        text = self._answer(calls.text)
        if text:
            self.put(text)
        counted = [(made.completion_tokens, made.mean_logprob) for made in self._made if made.mean_logprob is not None]
        tokens = sum(number for number, _ in counted)
        self.finish(
            replace(
                last,
                text=self._given + text,
                finish_reason="error" if error else reason,
                rendered_prompt=self._made[0].rendered_prompt,
                prompt_tokens=sum(made.prompt_tokens for made in self._made),
                completion_tokens=sum(made.completion_tokens for made in self._made),
                mean_logprob=sum(n * value for n, value in counted) / tokens if tokens else None,
                first_token_s=self._made[0].first_token_s,
                total_s=time.monotonic() - self.submitted,
                words=calls.said,
                error=error,
            )
        )
        self._over = True

    def _answer(self, text: str) -> str:
        """What comes after the thoughts, up to a text to stop at."""
        met = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        text = text[: min(met)] if met else text
        return f"\n\n{text}" if text and self._given and not self._given[-1].isspace() else text
