"""A Hub for tests: a real HTTP server that speaks what `huggingface_hub` says, over a folder, with xet off.

    with HubServer(tmp_path / "hub", {"hf_w": {"user": "alice", "role": "write"}}) as hub:
        HfApi(endpoint=hub.url, token="hf_w").create_repo("alice/model")
        hub.repo("model", "alice/model").commits

Large files are redirected to a second port, as the real ones go to another host. Libraries that take no endpoint read
`HF_ENDPOINT` when they are imported: run those in a child process with `hub.environment(token)`.
"""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.hub.faults import Entry, Fault, Faults
from tests.support.hub.protocol import Protocol
from tests.support.hub.store import Repo, Store, is_large
from tests.support.hub.web import Listener

WRITER, READER, STRANGER = "hf_alicewriteswriteswrites", "hf_alicereadsreadsreads", "hf_bobwriteswriteswrites"
TOKENS: dict[str, dict[str, Any]] = {
    WRITER: {"user": "alice", "role": "write", "orgs": ("shop",)},
    READER: {"user": "alice", "role": "read", "orgs": ("shop",)},
    STRANGER: {"user": "bob", "role": "write"},
}


class HubServer(Protocol):
    """Started on construction. `log` is every request, `fault` makes one go wrong, `repo` reads the state."""

    writer, reader, stranger = WRITER, READER, STRANGER
    """Tokens of TOKENS: alice's to write, alice's to read only, bob's to write."""

    def __init__(self, folder: Path, tokens: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.store = Store(folder)
        self.tokens = dict(TOKENS if tokens is None else tokens)
        self.faults, self.log = Faults(), list[Entry]()
        self.stopped = threading.Event()
        self._listeners: list[Listener] = []
        self._ports = (0, 0)
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[1]}"

    def start(self) -> None:
        """Listen, after `stop` again on the same ports and with the same repositories."""
        self.stopped.clear()
        self._listeners = [Listener(port, self) for port in self._ports]
        self._ports = (self._listeners[0].server_address[1], self._listeners[1].server_address[1])

    def stop(self) -> None:
        """Be gone: open connections break, new ones are refused."""
        self.stopped.set()
        for listener in self._listeners:
            listener.stop()
        self._listeners = []

    def fault(
        self,
        method: str,
        path_regex: str,
        *,
        status: int | None = None,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        after: bool = False,
        cut: int | None = None,
        delay_s: float = 0.0,
        hang: bool = False,
        message: str = "injected",
    ) -> None:
        """Make the next `times` requests of `method` (`*`: any) whose raw path matches go wrong; see faults.Fault."""
        pattern = re.compile(path_regex)
        self.faults.add(Fault(method, pattern, status, times, headers or {}, after, cut, delay_s, hang, message))

    def repo(self, kind: str, name: str) -> Repo:
        """The state of a repository; KeyError when there is none."""
        found = self.store.find(kind, name)
        if found is None:
            raise KeyError(f"{kind} {name}")
        return found

    def add(
        self, kind: str, name: str, files: Path | Mapping[str, bytes], *, private: bool = False, **fields: Any
    ) -> Repo:
        """Make a repository, or a further commit of one, from a folder or from bytes, past the API."""
        repo = self.store.find(kind, name)
        if repo is None:
            repo = self.store.create(kind, name, private=private, who=name.split("/")[0], **fields)
        given = _read(files) if isinstance(files, Path) else files
        blobs = {path: self.store.keep(data, large=is_large(path, len(data))) for path, data in given.items()}
        repo.commit({**repo.head.files, **blobs}, "add files", "", repo.author)
        return repo

    def asked(self, method: str, path_regex: str) -> list[Entry]:
        """The requests of the log with this method and a matching path."""
        return [entry for entry in self.log if entry.method == method and re.search(path_regex, entry.path)]

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Environment variables for a child process whose libraries shall use this Hub."""
        known = {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return known | ({"HF_TOKEN": token} if token else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
