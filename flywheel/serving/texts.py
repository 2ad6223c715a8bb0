"""Many texts through the base's tokenizer at once: how long they are, and what of them is trained.

Renders with the template that serves and trains. Knows no model and no requests.
"""

import threading
from collections.abc import Sequence
from typing import Any

Message = dict[str, str]
LONGEST = 10**9
SLACK = 16
"""Bytes beyond the bound, for what a template may put between two messages."""


class Texts:
    """Counts and shows rendered conversations. Thread-safe."""

    def __init__(self, tokenizer: Any, tokenizing: threading.Lock) -> None:
        self._tokenizer, self._tokenizing = tokenizer, tokenizing
        self._frames: dict[tuple[str, ...], int] = {}
        self._by_bytes, self._normalises = _is_byte_level(tokenizer)

    def counts(self, conversations: Sequence[Sequence[Message]]) -> list[int]:
        """Tokens of each conversation as a trainer renders it. One call for many costs a third of one call each."""
        if not conversations:
            return []
        rendered = [self._rendered(messages) for messages in conversations]
        with self._tokenizing:
            return [len(ids) for ids in self._tokenizer(rendered, add_special_tokens=False)["input_ids"]]

    def at_most(self, messages: Sequence[Message]) -> int | None:
        """Tokens that a conversation has at most, without counting; None where this tokenizer allows no such bound.

        A byte-level tokenizer never makes more tokens than there are bytes. What the template adds is measured once
        for each order of roles.
        """
        plain = not self._normalises or all(message["content"].isascii() for message in messages)
        if not (self._by_bytes and plain):
            return None
        roles = tuple(message["role"] for message in messages)
        if roles not in self._frames:
            frame = self._rendered([{"role": role, "content": "x"} for role in roles])
            self._frames[roles] = len(frame.encode()) + SLACK * len(roles)
        return self._frames[roles] + sum(len(message["content"].encode()) for message in messages)

    def pieces(self, prompt: Sequence[Message], completion: str) -> list[tuple[str, bool]]:
        """The row as it is rendered, token by token, each with whether it is learnt; told by the trainer itself."""
        from trainers.rows import Row, teach

        answer = [{"role": "assistant", "content": completion}]
        with self._tokenizing:
            lesson = teach([Row("the row", list(prompt), answer)], self._tokenizer, LONGEST)[0]
            whole = self._rendered([*prompt, *answer])
            offsets = self._tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        pieces, at = [], 0
        for (start, end), label in zip(offsets, lesson.labels, strict=True):
            # A character of several tokens is shown with the first of them.
            if text := whole[max(at, start) : end]:
                pieces.append((text, label >= 0))
            at = max(at, end)
        return pieces

    def _rendered(self, messages: Sequence[Message]) -> str:
        return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False))


def _is_byte_level(tokenizer: Any) -> tuple[bool, bool]:
    """Whether tokens are made of the text's own bytes (the split is ByteLevel), and whether letters beyond ASCII are
    put into another form before, which may be longer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or "ByteLevel" not in str(backend.pre_tokenizer):
        return False, False
    kind = type(backend.normalizer).__name__
    return kind in ("NoneType", "NFC"), kind == "NFC"
