"""Models from the Hub into the cache that all Hugging Face libraries share.

The client starts a broken file again from its beginning and trusts its bytes; so large files are fetched here, go on
where they broke off, and must have the sha256 that the commit names. The client then finds them in its cache and adds
the small ones. A folder is given out only when every file of the listing is in it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, get_session, hf_hub_url, snapshot_download
from huggingface_hub._tree_cache import read_tree_cache
from huggingface_hub.errors import LocalEntryNotFoundError, RevisionResolutionError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import BlobLfsInfo, RepoFile
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status

from storage.errors import HubBusy, HubMissing
from storage.hub_client import LIBRARY

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.h5", "*.msgpack", "*.joblib", "*.npy", "*.npz")
CHUNK = 1 << 20


def download(
    api: HfApi,
    repo: str,
    revision: str | None,
    patterns: Sequence[str],
    progress: Callable[[int, int], None] | None,
    kind: str = "model",
) -> Path:
    """The complete folder of one commit. HubMissing when no file matches."""
    sha = api.resolve_revision(repo, revision=revision, repo_type=kind).resolved
    wanted = {
        item.path: item
        for item in api.list_repo_tree(repo, revision=sha, recursive=True, repo_type=kind)
        if isinstance(item, RepoFile) and _matches(item.path, patterns)
    }
    if not wanted:
        raise HubMissing(f"`{repo}` has none of the files that are needed ({', '.join(patterns)}).", 404)
    meter = _Meter(progress, sum(item.size for item in wanted.values()))
    store = _store(repo, kind) / "blobs"
    for path, item in wanted.items():
        if item.lfs is not None:
            url = hf_hub_url(repo, path, revision=sha, endpoint=api.endpoint, repo_type=kind)
            _fetch(api, url, store, item.lfs, meter)
    folder = Path(
        snapshot_download(
            repo,
            revision=sha,
            repo_type=kind,
            endpoint=api.endpoint,
            token=api.token,
            library_name=LIBRARY,
            allow_patterns=_exactly(wanted),
            max_workers=4,
        )
    )
    _check(folder, {path: item.size for path, item in wanted.items()}, repo)
    meter.end()
    return folder


def cached(api: HfApi, repo: str, revision: str | None, patterns: Sequence[str]) -> Path | None:
    """The folder of a commit as it is in the cache, or None when it is not all there."""
    try:
        sha = api.resolve_revision(repo, revision=revision, local_files_only=True).resolved
    except (LocalEntryNotFoundError, RevisionResolutionError):
        return None
    store = _store(repo)
    listing, folder = read_tree_cache(str(store), sha), store / "snapshots" / sha
    if listing is None:
        return None
    wanted = {path: entry.size for path, entry in listing.items() if _matches(path, patterns)}
    whole = all((folder / path).is_file() and (folder / path).stat().st_size == size for path, size in wanted.items())
    return folder if wanted and whole else None


def _store(repo: str, kind: str = "model") -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=kind)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """A pattern without a slash means the files at the root alone."""
    fitting = (p for p in patterns if fnmatchcase(path, p) and path.count("/") == p.count("/"))
    return any(fitting) and not any(fnmatchcase(path, p) for p in PICKLES)


def _exactly(paths: Iterable[str]) -> list[str]:
    """Patterns that match these paths and no other."""
    return [re.sub(r"([*?[])", r"[\1]", path) for path in paths]


def _fetch(api: HfApi, url: str, store: Path, large: BlobLfsInfo, meter: "_Meter") -> None:
    """Bring one large file into the cache under its sha256."""
    sha256, size = large.sha256, large.size
    whole, part = store / sha256, store / f"{sha256}.part"
    if whole.is_file() and whole.stat().st_size == size:
        meter.add(size)
        return
    store.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.is_file() else 0
    if have < size:
        _receive(api, url, part, have, meter)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        part.unlink()
        raise HubBusy(f"What came from {api.endpoint} is not what its listing names, and was thrown away. Try again.")
    part.replace(whole)


def _receive(api: HfApi, url: str, part: Path, have: int, meter: "_Meter") -> None:
    """Append what is missing to `part`."""
    headers = build_hf_headers(token=api.token, library_name=LIBRARY) | {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream("GET", url, headers=headers) as response:
        hf_raise_for_status(response)
        goes_on = response.status_code == httpx2.codes.PARTIAL_CONTENT
        if goes_on:
            meter.add(have)
        with part.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_bytes(CHUNK):
                file.write(piece)
                meter.add(len(piece))


def _check(folder: Path, sizes: Mapping[str, int], repo: str) -> None:
    for path, size in sizes.items():
        if not (folder / path).is_file() or (folder / path).stat().st_size != size:
            raise HubBusy(f"`{path}` of `{repo}` did not arrive whole. Try again: what is here already is kept.")


class _Meter:
    """Counts bytes up to the total and tells them."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self.add(0)

    def add(self, size: int) -> None:
        self._done = min(self._total, self._done + size)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def end(self) -> None:
        self.add(self._total)
