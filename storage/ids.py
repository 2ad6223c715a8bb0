"""Identifiers: 128 bits as 26 characters [0-9a-z], ordered by time.

Invariant: within a process each id is greater than every one before it, in all threads, also when the clock is set
back. A database calls `advance_past` with its newest id when it opens, so that the order outlives the process.
Knows nothing of tables.
"""

import os
import threading
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 26

_RANDOM_BITS = 80
_STEP_BITS = 32
# One call of the system for many ids, and two characters at a time: rows are stored by the hundred thousand.
_POOL_BYTES = 4096
_PAIRS = [one + two for one in ALPHABET for two in ALPHABET]
_lock = threading.Lock()
_last = 0
_pool, _used = b"", 0


def new_id() -> str:
    """An id greater than all that this process has made."""
    global _last
    with _lock:
        value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | _random(_RANDOM_BITS)
        if value <= _last:
            # Two in one millisecond, or the clock went back: a random step keeps the next id unguessable.
            value = _last + 1 + _random(_STEP_BITS)
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


def _random(bits: int) -> int:
    """So many bits of the system's, a multiple of 8; each is used once. Call it with the lock held."""
    global _pool, _used
    if _used + bits // 8 > len(_pool):
        _pool, _used = os.urandom(_POOL_BYTES), 0
    start, _used = _used, _used + bits // 8
    return int.from_bytes(_pool[start:_used])


def _forget() -> None:
    global _pool, _used
    _pool, _used = b"", 0


# A process that is a copy of this one must not go on with the same bits.
os.register_at_fork(after_in_child=_forget)


def _encode(value: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(5 * (LENGTH - 2), -1, -10)])


def _decode(identifier: str) -> int | None:
    if len(identifier) != LENGTH or not set(identifier) <= set(ALPHABET):
        return None
    value = 0
    for character in identifier:
        value = value << 5 | ALPHABET.index(character)
    return value
