"""The app as a Space runs it: its own process, a Space's environment, and browsers that come through its proxy."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import httpx

from flywheel.product_files import product_files, read
from tests.support.app import free_port

ROOT = Path(__file__).parent.parent.parent
HOST = "alice-fly.hf.space"
CLIENT, SECRET = "client-of-fly", "the-secret-of-fly"
READY_S = 120.0


def environment(provider: str, **more: str) -> dict[str, str]:
    """What Hugging Face sets on the Space `alice/fly`."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "alice/fly",
        "SPACE_HOST": HOST,
        "SPACE_AUTHOR_NAME": "alice",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": provider,
    } | more


@contextmanager
def running(home: Path, settings: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """The app from what a deployment sends, in a process of its own: its address, and the file of what it printed."""
    port, log = free_port(), home.with_suffix(".log")
    tree = home.with_name("deployed")
    for name, content in product_files(ROOT).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(read(content))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ours = {"FLYWHEEL_HOME": str(home), "GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        argv = [sys.executable, "app.py"]
        process = subprocess.Popen(argv, cwd=tree, env=kept | ours | dict(settings), stdout=out, stderr=out)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(process, f"{address}/healthz", log)
            yield address, log
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the app did not answer in {READY_S} s: {log.read_text()}")


@dataclass
class Visitor:
    """A browser on `https://HOST`, whose requests a proxy hands to the app. It follows redirects as browsers do."""

    app: str
    cookies: dict[str, str] = field(default_factory=dict)
    tab: str = field(default_factory=lambda: uuid4().hex[:10])

    def ask(self, method: str, address: str, **more: Any) -> httpx.Response:
        """One request, redirects followed; `address` is absolute, or a path on the Space."""
        address = urljoin(f"https://{HOST}/", address)
        for _ in range(10):
            response = self._once(method, address, **more)
            if response.status_code not in (302, 303, 307):
                return response
            method, address, more = "GET", urljoin(address, response.headers["Location"]), {}
        raise AssertionError(f"too many redirects, the last to {address}")

    def _once(self, method: str, address: str, **more: Any) -> httpx.Response:
        parts = urlsplit(address)
        if parts.netloc != HOST:
            return httpx.request(method, address, timeout=30)
        assert parts.scheme == "https", address
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        headers |= {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} | more.pop("headers", {})
        place = f"{self.app}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        response = httpx.request(method, place, headers=headers, timeout=30, **more)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return response

    def sign_in(self) -> httpx.Response:
        """Click on "Sign in with Hugging Face"; the provider lets its `user` in."""
        self.ask("GET", "/")
        return self.ask("GET", "/login/huggingface?_target_url=/")

    def send(self, event: str, data: list[Any]) -> tuple[str, list[Any]]:
        """Send an event of the page; the error in words, or the outputs."""
        dependencies = self.ask("GET", "/config").json()["dependencies"]
        number = next(d["id"] for d in dependencies if d["api_name"] == event)
        body = {"fn_index": number, "data": data, "session_hash": self.tab}
        headers = {"Content-Type": "application/json", "Origin": f"https://{HOST}"}
        joined = self.ask("POST", "/gradio_api/queue/join", content=json.dumps(body), headers=headers)
        if joined.status_code != 200:
            return joined.text, []
        for line in self.ask("GET", f"/gradio_api/queue/data?session_hash={self.tab}").text.splitlines():
            message = json.loads(line[6:]) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                output = message["output"] or {}
                return str(output.get("error") or ""), output.get("data") or []
        raise AssertionError(f"{event} did not end")
