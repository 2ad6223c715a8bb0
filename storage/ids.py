"""Identifiers: 128 bits as 26 characters [0-9a-z], ordered by time.

Invariant: within a process each id is greater than every one before it, in all threads, also when the clock is set
back. A database calls `advance_past` with its newest id when it opens, so that the order outlives the process.
Knows nothing of tables.
"""

import secrets
import threading
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 26

_RANDOM_BITS = 80
_STEP_BITS = 32
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """An id greater than all that this process has made."""
    global _last
    with _lock:
        value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        if value <= _last:
            # Two in one millisecond, or the clock went back: a random step keeps the next id unguessable.
            value = _last + 1 + secrets.randbits(_STEP_BITS)
        _last = value
    return _encode(value)


def advance_past(identifier: str) -> None:
    """Make every later id greater than this one. Text that is no id of ours is ignored: it orders nothing."""
    global _last
    value = _decode(identifier)
    if value is None:
        return
    with _lock:
        _last = max(_last, value)


def _encode(value: int) -> str:
    characters = [ALPHABET[value >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5)]
    return "".join(characters)


def _decode(identifier: str) -> int | None:
    if len(identifier) != LENGTH or not set(identifier) <= set(ALPHABET):
        return None
    value = 0
    for character in identifier:
        value = value << 5 | ALPHABET.index(character)
    return value
