"""What a repository on the Hub holds of a publication: all of it, another one, somebody else's model, a part.

Asks the Hub and compares; changes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flywheel.errors import Refused
from flywheel.release import LINEAGE
from flywheel.words.catalogue import say
from storage.errors import HubError
from storage.hub import Hub, RemoteFile

WEIGHTS = (".safetensors", ".bin", ".gguf")


def going_on(error: Exception, repo: str) -> Exception:
    """An error of the Hub, with what it means for what was published and for the next try."""
    if not isinstance(error, HubError):
        return error
    told = say("publish.goes_on", reason=error, repo=repo)
    return type(error)(told, error.status, error.retry_after_s)


def refuse_foreign(hub: Hub, repo: str) -> None:
    """Raise Refused when the repository holds a model that no flywheel published."""
    files = hub.files(repo)
    if LINEAGE not in files and any("/" not in path and path.endswith(WEIGHTS) for path in files):
        raise Refused(say("error.hub.foreign_model", repo=repo))


def refuse_other_visibility(hub: Hub, repo: str, name: str, *, public: bool, kind: str = "model") -> None:
    """Raise Refused where the repository is private and `name` was to be public, or the other way round."""
    private = hub.is_private(repo, kind)
    if private and public:
        raise Refused(say("error.hub.private", repo=repo))
    if not private and not public:
        raise Refused(say("error.hub.public", repo=repo, name=name))


def lineage_at(hub: Hub, repo: str, sha: str) -> dict[str, Any] | None:
    """lineage.json of a commit; None where there is none."""
    return record_at(hub, repo, sha, LINEAGE)


def record_at(hub: Hub, repo: str, sha: str, name: str, kind: str = "model") -> dict[str, Any] | None:
    """What a JSON file of a commit says; None where there is none."""
    if name not in hub.files(repo, sha, kind):
        return None
    try:
        found = json.loads((hub.download(repo, sha, [name], kind=kind) / name).read_text(encoding="utf-8"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def same_files(files: Mapping[str, Path | bytes], remote: Mapping[str, RemoteFile]) -> bool:
    """Whether the repository holds all of these files, byte for byte."""
    return all(path in remote and _digest(content, remote[path]) for path, content in files.items())


def _digest(content: Path | bytes, remote: RemoteFile) -> bool:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size != remote.size:
        return False
    data = content if isinstance(content, bytes) else content.read_bytes()
    if remote.is_large:
        return hashlib.sha256(data).hexdigest() == remote.digest
    return hashlib.sha1(b"blob %d\0" % size + data, usedforsecurity=False).hexdigest() == remote.digest


def ours(hub: Hub, repo: str, head: str, remote: Mapping[str, RemoteFile]) -> list[str]:
    """The files that the version before put there: what other people added stays."""
    lineage = lineage_at(hub, repo, head) if LINEAGE in remote else None
    published = lineage.get("files") if lineage else None
    return [path for path in published if isinstance(path, str)] if isinstance(published, list) else []
