"""What the test Hub keeps: repositories, their commits, branches and tags, and the bytes of large files.

Knows no HTTP and no tokens. A commit holds the whole listing, so a test may read any state by its name.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KINDS = ("model", "dataset", "space")
LARGE = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".ckpt", ".h5", ".parquet", ".arrow", ".zip", ".onnx", ".npz")
LARGE_SIZE = 10 * 1024 * 1024
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE).encode()


@dataclass(frozen=True)
class Blob:
    """One file's content: its git name, its size, and its sha256 where it is kept as a large file."""

    oid: str
    size: int
    sha256: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    message: str
    who: str
    date: str
    files: Mapping[str, Blob]


@dataclass
class Repo:
    """One repository. Tests read `commits` (newest last), `branches`, `tags` and `file`."""

    kind: str
    id: str
    private: bool
    store: "Store"
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tag_messages: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    sdk: str | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    """Of a Space: values by name. The API gives out the names alone."""
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str | None = None
    requested_hardware: str | None = None
    sleep_time: int | None = None
    volumes: list[dict[str, Any]] = field(default_factory=list)
    stage: str = "NO_APP_FILE"
    restarts: int = 0

    @property
    def author(self) -> str:
        return self.id.split("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits_by_sha[self.branches["main"]]

    @property
    def commits_by_sha(self) -> dict[str, Commit]:
        return {commit.sha: commit for commit in self.commits}

    def find(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag, or a sha or its beginning."""
        sha = self.branches.get(revision) or self.tags.get(revision)
        if sha is None and len(revision) >= 7:
            sha = next((commit.sha for commit in self.commits if commit.sha.startswith(revision)), None)
        return self.commits_by_sha.get(sha or "")

    def listing(self, revision: str = "main") -> dict[str, Blob]:
        commit = self.find(revision)
        assert commit is not None, f"{self.id} has no revision {revision}"
        return dict(commit.files)

    def file(self, path: str, revision: str = "main") -> bytes:
        """The content of a file, large or not."""
        return self.store.read(self.listing(revision)[path])

    def commit(self, files: Mapping[str, Blob], title: str, message: str, who: str, branch: str = "main") -> Commit:
        parent = self.branches.get(branch)
        date = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        content = [self.kind, self.id, parent, title, len(self.commits), {p: b.etag for p, b in sorted(files.items())}]
        sha = hashlib.sha1(json.dumps(content).encode()).hexdigest()
        made = Commit(sha, parent, title, message, who, date, dict(files))
        self.commits.append(made)
        self.branches[branch] = sha
        if self.kind == "space":
            self.stage = "RUNNING" if any(p in files for p in ("app.py", "Dockerfile", "index.html")) else "NO_APP_FILE"
            self.hardware = self.requested_hardware or self.hardware or "cpu-basic"
        return made


class Store:
    """All repositories of one Hub; bytes lie under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._repos: dict[tuple[str, str], Repo] = {}
        self.lock = threading.RLock()

    def find(self, kind: str, name: str) -> Repo | None:
        return self._repos.get((kind, name.lower()))

    def create(self, kind: str, name: str, *, private: bool, who: str, **fields: Any) -> Repo:
        repo = Repo(kind, name, private, self, **fields)
        repo.commit({".gitattributes": self.keep(ATTRIBUTES)}, "initial commit", "", who)
        self._repos[kind, name.lower()] = repo
        return repo

    def remove(self, repo: Repo) -> None:
        del self._repos[repo.kind, repo.id.lower()]

    def keep(self, content: bytes, *, large: bool = False) -> Blob:
        """Keep bytes and return their blob."""
        if large:
            sha256 = hashlib.sha256(content).hexdigest()
            self.path(sha256).write_bytes(content)
            return self.large(sha256, len(content))
        blob = Blob(_git_oid(content), len(content))
        self.path(blob.oid).write_bytes(content)
        return blob

    def large(self, sha256: str, size: int) -> Blob:
        """The blob of a large file that is kept already: its git name is that of the pointer."""
        return Blob(_git_oid(pointer(sha256, size)), size, sha256)

    def path(self, name: str) -> Path:
        return self._folder / name

    def has(self, name: str) -> bool:
        return self.path(name).is_file()

    def read(self, blob: Blob) -> bytes:
        return self.path(blob.etag).read_bytes()

    def __iter__(self) -> Iterator[Repo]:
        return iter(list(self._repos.values()))


def pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def is_large(path: str, size: int) -> bool:
    """Whether the Hub keeps this file as a large one."""
    return size > 0 and (path.lower().endswith(LARGE) or size > LARGE_SIZE)


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
