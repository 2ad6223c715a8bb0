"""Work told in steps or awaited, done to its end."""

import asyncio
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from storage.backup import Step

T = TypeVar("T")


def finish(steps: Generator[Step, None, T]) -> T:
    """What the work returns; the steps are dropped."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, in a thread of its own: the browser's client keeps a loop running in the tests' thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
