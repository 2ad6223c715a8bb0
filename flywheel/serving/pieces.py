"""Text pieces out of token ids, as they come: never half a character, never part of a stop text.

Knows neither models nor threads; of a tokenizer it knows the function that decodes ids.
"""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
"""The text of token ids."""
UNFINISHED = "\ufffd"
LONGEST_WAIT = 8
"""Tokens. A character has at most four bytes: one that is still broken after so many was never going to be whole."""


class Pieces:
    """Turns one answer's token ids into text, piece by piece. `text` is all that was given out so far."""

    def __init__(self, decode: Decode, stop: tuple[str, ...] = ()) -> None:
        self.text = ""
        self.stopped = False
        """A stop text was met; the answer ends before it."""
        self._decode = decode
        self._stop = stop
        self._ids: list[int] = []
        # Some decoders write a token differently at the start of a text: a few known ids lead each decoding.
        self._lead = self._known = 0
        self._held = ""

    @property
    def hasty(self) -> bool:
        """Each token must be pushed as it comes, because the answer may end within its text."""
        return bool(self._stop)

    def push(self, *tokens: int) -> str:
        """The text that became certain with these tokens; may be empty. Several at once cost about what one costs."""
        self._ids += tokens
        lead = self._decode(self._ids[self._lead : self._known])
        whole = self._decode(self._ids[self._lead :])
        if whole.endswith(UNFINISHED):
            if len(tokens) > 1:
                del self._ids[-len(tokens) :]
                return "".join(self.push(token) for token in tokens)
            if len(self._ids) - self._known < LONGEST_WAIT:
                return ""
        self._lead, self._known = self._known, len(self._ids)
        return self._release(self._held + whole[len(lead) :])

    def finish(self) -> str:
        """The rest, when no token follows. A character that was cut in its middle is dropped."""
        if self.stopped:
            return ""
        lead = self._decode(self._ids[self._lead : self._known])
        rest = self._decode(self._ids[self._lead :])[len(lead) :].rstrip(UNFINISHED)
        last = self._release(self._held + rest)
        if self.stopped:
            return last
        self.text += self._held
        return last + self._held

    def _release(self, text: str) -> str:
        met = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if met:
            text, self.stopped = text[: min(met)], True
        keep = 0 if self.stopped else self._could_become_stop(text)
        self._held = text[len(text) - keep :]
        given = text[: len(text) - keep]
        self.text += given
        return given

    def _could_become_stop(self, text: str) -> int:
        """Characters at the end of `text` that may be the beginning of a stop text."""
        longest = 0
        for stop in self._stop:
            for size in range(1, len(stop)):
                if text.endswith(stop[:size]):
                    longest = max(longest, size)
        return longest
