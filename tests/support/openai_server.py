"""A small server that speaks OpenAI's chat completions over real HTTP, and can be told to misbehave.

Answers are words sent as server-sent events, one word a piece. It stands in for vLLM, Ollama and their like where a
test needs faults at will; that the protocol is the true one is shown by the tests against our own `/v1`.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KNOWN_FIELDS = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "n",
        "user",
    ]
)
Refusal = tuple[int, dict[str, str], dict[str, Any]]
"""Status, headers, body."""


@dataclass
class OpenAIServer:
    """What it knows and how it behaves may be changed at any time."""

    answer: Callable[[list[dict[str, str]]], str] = lambda messages: f"You said: {messages[-1]['content']}"
    models: dict[str, dict[str, Any]] | None = field(default_factory=lambda: {"parrot": {}})
    """Name → more fields of its entry; None: there is no list of models."""
    calls: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | None = None
    """Which calls of tools to answer with, instead of words where there are some; None: the field is unknown here."""
    key: str = ""
    """Wanted from everybody, unless empty."""
    pause: float = 0.0
    """Seconds between two pieces."""
    refuses: tuple[str, ...] = ()
    """Fields that are answered with 400."""
    tells_usage: bool = True
    cut_after: int | None = None
    """The connection breaks after so many pieces."""
    ends_after: int | None = None
    """The stream ends in good order after so many pieces, but in the middle."""
    finish_reason: str = "stop"
    silent: bool = False
    """Takes requests and sends nothing."""
    raw: bytes | None = None
    """Sent in place of an answer's events."""
    failing: list[Refusal] = field(default_factory=list)
    """Answered one after the other to the next questions."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The questions that came, as JSON."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Theirs, names in lower case."""
    left: threading.Event = field(default_factory=threading.Event)
    """A client went away in the middle of an answer."""
    port: int = 0
    _http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def fail(self, times: int, status: int, headers: dict[str, str] | None = None, **error: Any) -> None:
        """Answer the next `times` questions with this status and error object."""
        body = {"error": {"message": f"made to fail with {status}", **error}}
        self.failing += [(status, headers or {}, body)] * times

    def start(self) -> None:
        """Listen, after a stop on the same port as before."""
        server = self

        class Handler(_Handler):
            box = server

        self._http = _Threads(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be down."""
        if self._http is not None:
            self._http.shutdown()
            self._http.close_all()
            self._http = None


@contextmanager
def openai_server(**behaviour: Any) -> Iterator[OpenAIServer]:
    """A running one."""
    server = OpenAIServer(**behaviour)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sockets: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what the tests are about."""

    def close_all(self) -> None:
        """Stop listening and break the connections that are kept alive, as a server that dies does."""
        self.server_close()
        for request in list(self._sockets):
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    box: OpenAIServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self._refused_key():
            return
        if self.path != "/v1/models" or self.box.models is None:
            self._json(404, {"detail": "Not Found"})
            return
        entries = [{"id": name, "object": "model", **more} for name, more in self.box.models.items()]
        self._json(200, {"object": "list", "data": entries})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused_key():
            return
        if self.path != "/v1/chat/completions":
            self._json(404, {"detail": "Not Found"})
            return
        self.box.asked.append(body)
        self.box.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.box.silent:
            self._wait_for_leaving()
        elif not self._refused(body):
            self._answer(body)

    def _refused_key(self) -> bool:
        wanted = f"Bearer {self.box.key}"
        if not self.box.key or self.headers.get("Authorization") == wanted:
            return False
        given = self.headers.get("Authorization", "")
        self._error(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        return True

    def _refused(self, body: dict[str, Any]) -> bool:
        box = self.box
        if box.failing:
            status, headers, error = box.failing.pop(0)
            self._json(status, error, headers)
        elif box.models and body["model"] not in box.models:
            self._error(404, f"The model `{body['model']}` does not exist.", "model_not_found")
        elif unknown := [name for name in body if name not in self._known() or name in box.refuses]:
            self._error(400, f"Unsupported parameter: '{unknown[0]}' is not supported.", "unsupported_parameter")
        else:
            return False
        return True

    def _known(self) -> frozenset[str]:
        return KNOWN_FIELDS | ({"tools"} if self.box.calls else set())

    def _answer(self, body: dict[str, Any]) -> None:
        calls = self.box.calls(body["messages"]) if self.box.calls and body.get("tools") else []
        if calls:
            self._begin()
            self._stream_calls(calls)
            return
        text = self.box.answer(body["messages"])
        words = text.split(" ")
        pieces = [word if i == 0 else f" {word}" for i, word in enumerate(words)]
        usage = {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            self._json(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})
            return
        self._begin()
        try:
            self._stream(pieces, usage if self.box.tells_usage and body.get("stream_options") else None)
        except OSError:
            self.box.left.set()
            self.close_connection = True

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _stream_calls(self, calls: list[dict[str, Any]]) -> None:
        """As servers do: the name first, then the arguments a few characters at a time."""
        self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
        for index, call in enumerate(calls):
            head = {"index": index, "id": f"call_{index}", "type": "function"}
            function = {"name": call["name"], "arguments": ""}
            self._event({"choices": [{"index": 0, "delta": {"tool_calls": [{**head, "function": function}]}}]})
            text = call["arguments"]
            for at in range(0, len(text), 7):
                part = {"index": index, "function": {"arguments": text[at : at + 7]}}
                self._event({"choices": [{"index": 0, "delta": {"tool_calls": [part]}}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _stream(self, pieces: list[str], usage: dict[str, int] | None) -> None:
        box = self.box
        if box.raw is not None:
            self._chunk(box.raw)
            self._chunk(b"")
            return
        self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        for number, piece in enumerate(pieces):
            if number == box.cut_after:
                self.close_connection = True
                return
            if number == box.ends_after:
                break
            self._event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            if box.pause:
                time.sleep(box.pause)
        if box.ends_after is None:
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": box.finish_reason}]})
            if usage is not None:
                self._event({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, event: dict[str, Any]) -> None:
        whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "parrot", **event}
        self._chunk(f"data: {json.dumps(whole)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _wait_for_leaving(self) -> None:
        self.connection.settimeout(30)
        try:
            gone = self.connection.recv(1) == b""
        except OSError:
            gone = False
        if gone:
            self.box.left.set()
        self.close_connection = True

    def _error(self, status: int, message: str, code: str) -> None:
        self._json(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
