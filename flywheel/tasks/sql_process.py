"""One child process of the SQL sandbox: its start, its pipes, its deadline and its end. Knows no SQL."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flywheel.errors import Unavailable
from flywheel.words.catalogue import say

PROGRAM = Path(__file__).with_name("sql_child.py")
MAX_ANSWER_BYTES = 16_000_000
# What an engine's end by a signal tells: refused memory kills or aborts it, or lets a stack not grow any more (SEGV);
# the limit on computing sends XCPU.
DEATHS = {
    -signal.SIGKILL: "memory", -signal.SIGABRT: "memory", -signal.SIGSEGV: "memory", -signal.SIGXCPU: "time",
}  # fmt: skip


class Overrun(Exception):
    """The child did not answer in time, or nothing that can be read."""


class Died(Exception):
    """The child ended before it answered. Its argument is the exit status, negative for a signal."""


class SqlChild:
    """One child process: line in, line out. Not thread-safe. Has a session of its own and only `variables`."""

    def __init__(
        self, settings: dict[str, Any], cwd: Path, seconds: float, variables: Mapping[str, str] | None = None
    ) -> None:
        """Starts the program and waits for its first answer, `greeting`. Raises Unavailable when it cannot start."""
        command = [sys.executable, "-I", "-B", str(PROGRAM)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                bufsize=0, env=dict(variables or {}), cwd=cwd, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(say("error.sql.no_memory", reason=error.strerror)) from error
        self._left = b""
        try:
            self.greeting = self.ask(settings, seconds)
        except (Overrun, Died) as error:
            self.kill()
            raise Unavailable(say("error.sql.not_in_time")) from error

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to `request`. Raises Overrun after `seconds`, Died when the child ends; then only kill it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        left = json.dumps(request).encode("ascii") + b"\n"
        try:
            while left:
                left = left[os.write(self._process.stdin.fileno(), left) :]
        except BrokenPipeError as error:
            raise Died(self._status()) from error
        line = self._line(self._process.stdout.fileno(), time.monotonic() + seconds)
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise Overrun("The SQL child answered nonsense.") from error
        return answer

    def _line(self, pipe: int, deadline: float) -> bytes:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while b"\n" not in self._left:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise Overrun("The SQL child did not answer in time.")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                raise Died(self._status())
            self._left += piece
            if len(self._left) > MAX_ANSWER_BYTES:
                raise Overrun("The SQL child answered too much.")
        line, _, self._left = self._left.partition(b"\n")
        return line

    def _status(self) -> int:
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """Ends the child and all it may have started. Safe to call twice."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
