"""The Hub's API as its client speaks it: accounts, repositories, references, listings and files to download.

Every route is a method of its mix-in; `Protocol` finds it by pattern. Uploads and Spaces stand in their own files.
"""

import re
from collections.abc import Callable
from typing import Any

from tests.support.hub.spaces import Spaces
from tests.support.hub.store import Blob, Commit, Repo
from tests.support.hub.uploads import Uploads
from tests.support.hub.web import Answer, Refusal, Request

ID = r"(?P<name>[\w.-]+/[\w.-]+)"
API = rf"/api/(?P<kind>model|dataset|space)s/{ID}"
FILES = rf"/(?:(?P<kind>datasets|spaces)/)?{ID}"


class Protocol(Uploads, Spaces):
    """Answers one request after another; `self.store` holds everything, `self.tokens` says who is who."""

    def answer(self, request: Request) -> Answer:
        request.who = self.who(request)
        # A quoted slash of a revision stays quoted here: it must not look like a part of the path.
        path = "/" + "/".join(part.replace("/", "%2F") for part in request.parts)
        for method, pattern, route in self._routes():
            found = re.fullmatch(pattern, path)
            if found and (request.method == method or (method == "GET" and request.method == "HEAD")):
                given = {key: value.replace("%2F", "/") for key, value in found.groupdict().items() if value}
                with self.store.lock:
                    return route(request, **given)
        raise Refusal(404, f"Sorry, we can't find {request.path}.")

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", "/api/whoami-v2", self.whoami),
            ("POST", "/api/repos/create", self.create),
            ("DELETE", "/api/repos/delete", self.delete),
            ("POST", "/api/validate-yaml", self.validate),
            *self.upload_routes(API, FILES),
            *self.space_routes(rf"/api/spaces/{ID}"),
            ("GET", API, self.info),
            ("GET", rf"{API}/revision/(?P<revision>[^/]+)", self.info),
            ("GET", rf"{API}/auth-check", self.auth_check),
            ("GET", rf"{API}/auth-check/write", self.auth_check_write),
            ("GET", rf"{API}/refs", self.refs),
            ("GET", rf"{API}/commits/(?P<revision>[^/]+)", self.history),
            ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", self.tree),
            ("POST", rf"{API}/paths-info/(?P<revision>[^/]+)", self.paths_info),
            ("POST", rf"{API}/tag/(?P<revision>[^/]+)", self.tag),
            ("DELETE", rf"{API}/tag/(?P<revision>[^/]+)", self.untag),
            ("GET", rf"{FILES}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", self.resolve),
            ("GET", r"/cdn/(?P<oid>[0-9a-f]{64})", self.stored),
        ]

    def whoami(self, request: Request) -> Answer:
        token = self.token(request)
        if token is None:
            raise Refusal(401, "Invalid username or password.")
        roles = {"displayName": "test", "role": token.get("role", "read")}
        return Answer.json(
            {
                "type": "user",
                "id": token["user"],
                "name": token["user"],
                "fullname": token["user"],
                "orgs": [{"type": "org", "name": name, "roleInOrg": "write"} for name in token.get("orgs", ())],
                "auth": {"type": "access_token", "accessToken": roles},
            }
        )

    def validate(self, request: Request) -> Answer:
        front = re.match(r"---\n(.*?)\n---", request.json()["content"], re.DOTALL)
        if front and "\t" in front[1]:
            errors = [{"message": "tabs are not allowed in metadata"}]
            return Answer.json({"errors": errors, "warnings": [], "error": "Invalid metadata"}, 400)
        return Answer.json({"errors": [], "warnings": []})

    def info(self, request: Request, kind: str, name: str, revision: str = "main") -> Answer:
        repo = self.readable(request, kind, name)
        commit = self.commit_of(repo, revision)
        value: dict[str, Any] = {
            "_id": repo.id,
            "id": repo.id,
            "modelId": repo.id,
            "author": repo.author,
            "sha": commit.sha,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": commit.date,
            "createdAt": repo.commits[0].date,
            "siblings": [_sibling(path, blob, "blobs" in request.query) for path, blob in sorted(commit.files.items())],
        }
        if kind == "space":
            value |= {"sdk": repo.sdk, "runtime": self.runtime_of(repo)}
        return Answer.json(value)

    def auth_check(self, request: Request, kind: str, name: str) -> Answer:
        self.readable(request, kind, name)
        return Answer(b"OK")

    def auth_check_write(self, request: Request, kind: str, name: str) -> Answer:
        self.writable(request, kind, name)
        return Answer(b"OK")

    def refs(self, request: Request, kind: str, name: str) -> Answer:
        repo = self.readable(request, kind, name)
        branches = [_ref("heads", name, sha) for name, sha in repo.branches.items()]
        tags = [_ref("tags", name, sha) for name, sha in repo.tags.items()]
        return Answer.json({"branches": branches, "converts": [], "tags": tags, "pullRequests": []})

    def history(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        repo = self.readable(request, kind, name)
        commit: Commit | None = self.commit_of(repo, revision)
        found = []
        while commit is not None:
            authors = [{"user": commit.who}]
            found.append({"id": commit.sha, "title": commit.title, "message": commit.message, "date": commit.date})
            found[-1]["authors"] = authors  # type: ignore[assignment]
            commit = repo.commits_by_sha.get(commit.parent or "")
        return Answer.json(found)

    def tree(self, request: Request, kind: str, name: str, revision: str, folder: str = "") -> Answer:
        repo = self.readable(request, kind, name)
        files = self.commit_of(repo, revision).files
        prefix = f"{folder}/" if folder else ""
        inside = {path: blob for path, blob in files.items() if path.startswith(prefix)}
        deep = request.query.get("recursive", ["false"])[0].lower() == "true"
        found: dict[str, Any] = {}
        for path, blob in sorted(inside.items()):
            rest = path.removeprefix(prefix).split("/")
            for depth in range(1, len(rest) if deep else min(len(rest), 2)):
                parent = prefix + "/".join(rest[:depth])
                found[parent] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": parent}
            if deep or len(rest) == 1:
                found[path] = _file(path, blob)
        if folder and not found:
            raise Refusal(404, f"{folder} does not exist on {revision}", "EntryNotFound")
        return Answer.json(list(found.values()))

    def paths_info(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        from urllib.parse import parse_qs

        repo = self.readable(request, kind, name)
        files = self.commit_of(repo, revision).files
        asked = parse_qs(request.body.decode()).get("paths", [])
        return Answer.json([_file(path, files[path]) for path in asked if path in files])

    def tag(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        repo = self.writable(request, kind, name)
        given = request.json()
        if given["tag"] in repo.tags:
            raise Refusal(409, f"Tag reference exists already: {given['tag']}")
        repo.tags[given["tag"]] = self.commit_of(repo, revision).sha
        repo.tag_messages[given["tag"]] = given.get("message", "")
        return Answer.json({})

    def untag(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        repo = self.writable(request, kind, name)
        if repo.tags.pop(revision, None) is None:
            raise Refusal(404, f"Tag {revision} does not exist", "RevisionNotFound")
        return Answer.json({})

    def resolve(self, request: Request, name: str, revision: str, path: str, kind: str = "models") -> Answer:
        repo = self.readable(request, kind.removesuffix("s"), name)
        commit = self.commit_of(repo, revision)
        blob = commit.files.get(path)
        known = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        if blob is None:
            raise Refusal(404, f"{path} does not exist on {revision}", "EntryNotFound", known)
        known |= {"ETag": f'"{blob.etag}"'}
        if blob.sha256 is None:
            return Answer(self.store.read(blob), headers=known, type="text/plain")
        known |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
        return Answer(b"", 302, {**known, "Location": f"{self.cdn_url}/cdn/{blob.sha256}"})

    def stored(self, request: Request, oid: str) -> Answer:
        if not self.store.has(oid):
            raise Refusal(404, "no such object")
        content = self.store.path(oid).read_bytes()
        return Answer(content, headers={"Accept-Ranges": "bytes", "ETag": f'"{oid}"'}, type="application/octet-stream")

    def commit_of(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit


def _ref(kind: str, name: str, sha: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha}


def _sibling(path: str, blob: Blob, detailed: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"rfilename": path}
    if detailed:
        value |= {"size": blob.size, "blobId": blob.oid}
        if blob.sha256:
            value["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 130}
    return value


def _file(path: str, blob: Blob) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "file", "oid": blob.oid, "size": blob.size, "path": path}
    if blob.sha256:
        value["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 130}
    return value
