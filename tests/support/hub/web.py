"""The test Hub's HTTP: reads a request, lets a fault strike, asks the protocol for an answer, sends it.

Knows no repositories. Keep-alive and ranges as a real server has them; bodies may come chunked.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub.faults import Entry, Fault, Faults


class Refusal(Exception):
    """An error as the Hub answers it."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, dict(headers or {})


@dataclass
class Request:
    method: str
    path: str
    """Percent-decoded by part, so that a quoted slash stays one part."""
    parts: list[str]
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""
    who: str = ""

    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Answer":
        return cls(json.dumps(value).encode(), status)


class Site(Protocol):
    """What answers: `faults`, `log` and `stopped` are the server's, `answer` the protocol."""

    faults: Faults
    log: list[Entry]
    stopped: threading.Event

    def answer(self, request: Request) -> Answer: ...


class Listener(ThreadingHTTPServer):
    """One port. Ends its open connections when it closes, so that a stopped Hub is gone at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, site: Site) -> None:
        self.site = site
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True, name="test-hub").start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error of the server."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            self.shutdown_request(connection)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the log is `site.log`."""

    def handle_any(self) -> None:
        site = self.server.site
        split = urlsplit(self.path)
        parts = [unquote(part) for part in split.path.split("/") if part]
        request = Request(self.command, unquote(split.path), parts, parse_qs(split.query), self.headers)
        fault = site.faults.take(self.command, self.path)
        if fault is not None and self._strike_early(fault, request):
            return
        request.body = self._read_body(None)
        answer = self._answer(request) if fault is None or fault.after or fault.status is None else None
        if fault is not None and fault.status is not None:
            answer = self._refusal(Refusal(fault.status, fault.message, headers=fault.headers))
        assert answer is not None
        body = self._ranged(answer)
        site.log.append(Entry(self.command, self.path, answer.status, request.who))
        self._send(answer, body, None if fault is None or self.command == "PUT" else fault.cut)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def _strike_early(self, fault: Fault, request: Request) -> bool:
        """Wait, hang or break off while reading; True when there is nothing to answer any more."""
        site = self.server.site
        if fault.hang:
            site.log.append(Entry(self.command, self.path, 0, ""))
            site.stopped.wait(600)
            self.close_connection = True
            return True
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.cut is not None and self.command in ("PUT", "POST"):
            self._read_body(fault.cut)
            site.log.append(Entry(self.command, self.path, 0, ""))
            self.close_connection = True
            return True
        return False

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.site.answer(request)
        except Refusal as refusal:
            return self._refusal(refusal)

    @staticmethod
    def _refusal(refusal: Refusal) -> Answer:
        answer = Answer.json({"error": refusal.message}, refusal.status)
        answer.headers = {"X-Error-Message": refusal.message, **refusal.headers}
        if refusal.code:
            answer.headers["X-Error-Code"] = refusal.code
        return answer

    def _read_body(self, most: int | None) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        size = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(size if most is None else min(most, size))

    def _read_chunks(self) -> bytes:
        whole = b""
        while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _send(self, answer: Answer, body: bytes, cut: int | None) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.type, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True

    def _ranged(self, answer: Answer) -> bytes:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if answer.status != 200 or not wanted or "Accept-Ranges" not in answer.headers:
            return answer.body
        first, size = int(wanted[1]), len(answer.body)
        if first >= size:
            answer.status, answer.headers["Content-Range"] = 416, f"bytes */{size}"
            return b""
        last = min(int(wanted[2]), size - 1) if wanted[2] else size - 1
        answer.status, answer.headers["Content-Range"] = 206, f"bytes {first}-{last}/{size}"
        return answer.body[first : last + 1]
