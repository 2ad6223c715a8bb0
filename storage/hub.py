"""The Hugging Face Hub: accounts, repositories, commits, tags, downloads; Spaces are in `storage.hub_spaces`.

The product's one door to it. A commit is a single request that names every file, so a repository never stands half
written; it is guarded by its parent and safe to repeat. Knows no versions, cards or Spacefiles: callers bring files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import HubBusy, HubConflict, HubDenied, HubMissing
from storage.hub_calls import Patience as Patience
from storage.hub_calls import strange
from storage.hub_spaces import Spaces
from storage.hub_spaces import SpaceState as SpaceState

Progress = Callable[[int, int], None]
"""Told the bytes done and the bytes there are."""


@dataclass(frozen=True)
class Account:
    """Whose token it is."""

    name: str
    organisations: tuple[str, ...]
    may_write: bool
    """The token may write somewhere; `Hub.may_write` asks for one repository."""


@dataclass(frozen=True)
class Refs:
    """Names and the commits they stand on."""

    branches: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit, as the Hub lists it."""

    size: int
    digest: str
    """The sha256 of a large file, the git name (sha1 of a blob) of any other."""
    is_large: bool


class Hub(Spaces):
    """One account's view of the Hub.

    Every method raises HubDenied, HubMissing, HubConflict, HubBusy or HubError, each with what to do; none waits for
    ever (see Patience). `kind` is `model`, `dataset` or `space`.
    """

    def account(self) -> Account:
        """Whose token this is; HubDenied without one, or for one that the Hub does not know."""
        if not self.has_token:
            where = "in the environment of the app if one runs"
            raise HubDenied(
                f"There is no token for the Hub. Set HF_TOKEN, {where}: {self.endpoint}/settings/tokens", 401
            )
        found = self._read("say whose token this is", "", self._api.whoami)
        try:
            token = found.get("auth", {}).get("accessToken", {})
            organisations = tuple(str(item["name"]) for item in found.get("orgs", ()))
            return Account(str(found["name"]), organisations, _writes(token))
        except (AttributeError, KeyError, TypeError) as error:
            raise strange(self.endpoint) from error

    def may_write(self, repo: str, kind: str = "model") -> None:
        """Raise HubDenied unless this token may write to the repository, or make it where there is none."""
        account = self.account()
        if not account.may_write:
            words = f"The token in HF_TOKEN can only read. Set one with write access: {self.endpoint}/settings/tokens"
            raise HubDenied(words, 403)
        try:
            self._read("write to", repo, lambda: self._api.auth_check(repo, repo_type=kind, write=True))
        except HubMissing as error:
            if repo.split("/")[0] not in (account.name, *account.organisations):
                words = f"`{account.name}` may not make `{repo}`. Choose a name under {account.name}/ or of your own."
                raise HubDenied(words, 403) from error

    def exists(self, repo: str, kind: str = "model") -> bool:
        """Whether there is such a repository, as far as this token sees."""
        try:
            self.resolve(repo, kind=kind)
        except HubMissing:
            return False
        return True

    def resolve(self, repo: str, revision: str | None = None, kind: str = "model") -> str:
        """The commit that a branch, a tag or a commit's name stands for; by default that of `main`."""
        info = self._read("read", repo, lambda: self._api.repo_info(repo, revision=revision, repo_type=kind))
        return str(info.sha)

    def is_private(self, repo: str, kind: str = "model") -> bool:
        """Whether only its owners see the repository."""
        return bool(self._read("read", repo, lambda: self._api.repo_info(repo, repo_type=kind)).private)

    def refs(self, repo: str, kind: str = "model") -> Refs:
        """The branches and tags."""
        found = self._read("read", repo, lambda: self._api.list_repo_refs(repo, repo_type=kind))
        return Refs(
            {ref.name: ref.target_commit for ref in found.branches}, {ref.name: ref.target_commit for ref in found.tags}
        )

    def files(self, repo: str, revision: str | None = None, kind: str = "model") -> dict[str, RemoteFile]:
        """All files of a revision, by path."""
        return self._read("list", repo, lambda: self._files(repo, revision, kind))

    def create(self, repo: str, kind: str = "model", *, private: bool = True, sdk: str | None = None) -> bool:
        """Make a repository; False when it was there. `sdk` is a Space's: `gradio`, `docker`, `static`."""
        if self.exists(repo, kind):
            return False

        def make() -> None:
            self._api.create_repo(repo, repo_type=kind, private=private, space_sdk=sdk)

        try:
            self._write("create", repo, make)
        except HubConflict:
            return False
        return True

    def commit(
        self,
        repo: str,
        files: Mapping[str, Path | bytes],
        message: str,
        *,
        kind: str = "model",
        delete: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> str:
        """Put the files on `main` in one commit and return its name; where nothing differs, that of the head.

        `files` maps a path of the repository to a file or its bytes; `delete` names paths, or folders by a slash at the
        end, that shall be gone (those not there are ignored). All of it happens or none. Someone else's commit
        meanwhile is kept: ours follows it. `progress` is told of the large files' bytes.
        """

        def once() -> str:
            head = str(self._api.repo_info(repo, repo_type=kind).sha)
            operations = _operations(files, delete, self._files(repo, head, kind) if delete else {})
            made = self._api.create_commit(
                repo, operations, commit_message=message, repo_type=kind, parent_commit=head, num_threads=2
            )
            return str(made.oid)

        total = sum(data.stat().st_size if isinstance(data, Path) else len(data) for data in files.values())
        with _told(progress, total):
            return self._write("commit to", repo, once, (HubConflict,))

    def tag(self, repo: str, name: str, sha: str, message: str = "", kind: str = "model") -> None:
        """Name a commit. Nothing happens when it has this name already; HubConflict when another has it."""

        if self._stands(repo, name, sha, kind):
            return

        def make() -> None:
            self._api.create_tag(repo, tag=name, tag_message=message, revision=sha, repo_type=kind)

        try:
            self._write("tag", repo, make)
        except HubConflict:
            # Ours after all, when an answer was lost on the way.
            if not self._stands(repo, name, sha, kind):
                raise

    def download(
        self,
        repo: str,
        revision: str | None,
        patterns: Sequence[str],
        progress: Progress | None = None,
        kind: str = "model",
    ) -> Path:
        """The folder with a repository's files that match `patterns` (`*.json`), of exactly one commit, complete.

        In the cache that all Hugging Face libraries share; its last part is the commit. Broken off, the next call goes
        on where it was. Large files are checked by their sha256. Pickles are never fetched.
        """
        from storage.hub_download import download

        furthest = 0

        def told(done: int, total: int) -> None:
            nonlocal furthest
            furthest = max(furthest, done)
            if progress is not None:
                progress(furthest, total)

        while True:
            before = furthest
            try:
                return self._read("download", repo, lambda: download(self._api, repo, revision, patterns, told, kind))
            except HubBusy:
                # As long as each try brings more of it, there is no reason to give up.
                if furthest == before:
                    raise

    def cached(self, repo: str, revision: str | None, patterns: Sequence[str]) -> Path | None:
        """As `download`, from what is here already, without asking the Hub. None when that is not complete."""
        from storage.hub_download import cached

        return cached(self._api, repo, revision, patterns)

    def _stands(self, repo: str, name: str, sha: str, kind: str) -> bool:
        standing = self.refs(repo, kind).tags.get(name)
        if standing not in (None, sha):
            words = (
                f"`{repo}` has the tag `{name}` on another commit, {standing}. Delete it on the Hub, then try again."
            )
            raise HubConflict(words, 409)
        return standing == sha

    def _files(self, repo: str, revision: str | None, kind: str) -> dict[str, RemoteFile]:
        from huggingface_hub.hf_api import RepoFile

        return {
            item.path: RemoteFile(item.size, item.lfs.sha256 if item.lfs else item.blob_id, item.lfs is not None)
            for item in self._api.list_repo_tree(repo, revision=revision, repo_type=kind, recursive=True)
            if isinstance(item, RepoFile)
        }


def _writes(token: Mapping[str, Any]) -> bool:
    if token.get("role") != "fineGrained":
        return token.get("role") in ("write", "admin")
    scoped = token.get("fineGrained", {}).get("scoped", ())
    return any("repo.write" in scope.get("permissions", ()) for scope in scoped)


def _operations(files: Mapping[str, Path | bytes], delete: Sequence[str], there: Mapping[str, Any]) -> list[Any]:
    """Made anew for each try: the client marks those of a failed one as used."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    gone = [
        path
        for path in there
        if path not in files and any(path == name or (name[-1:] == "/" and path.startswith(name)) for name in delete)
    ]
    return [
        *(CommitOperationAdd(path, data) for path, data in files.items()),
        *(CommitOperationDelete(path, is_folder=False) for path in gone),
    ]


@contextmanager
def _told(progress: Progress | None, total: int) -> Iterator[None]:
    """Tell `progress` of what is sent meanwhile; a repeated piece never makes it more than all."""
    if progress is None:
        yield
        return
    from storage.hub_client import sent

    done = 0

    def add(size: int) -> None:
        nonlocal done
        done = min(total, done + size)
        progress(done, total)

    progress(0, total)
    sent.append(add)
    try:
        yield
    finally:
        sent.remove(add)
    progress(total, total)
