"""Uploads to the test Hub: what is large, where its bytes go, and the commit that names them."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.hub.access import Access
from tests.support.hub.store import Blob, Repo, is_large
from tests.support.hub.web import Answer, Refusal, Request

Route = tuple[str, str, Callable[..., Answer]]


class Uploads(Access):
    most_bytes = 50_000_000
    """A commit's body beyond this is refused with 413."""

    def upload_routes(self, api: str, files: str) -> list[Route]:
        return [
            ("POST", rf"{api}/preupload/(?P<revision>[^/]+)", self.preupload),
            ("POST", rf"{files}\.git/info/lfs/objects/batch", self.batch),
            ("POST", rf"{files}\.git/info/lfs/objects/verify", self.verify),
            ("PUT", r"/cdn/(?P<oid>[0-9a-f]{64})", self.put),
            ("POST", rf"{api}/commit/(?P<revision>[^/]+)", self.commit),
        ]

    def preupload(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        repo = self.writable(request, kind, name)
        there = self._branch(repo, revision)
        ignored = [line for line in request.json().get("gitIgnore", "").splitlines() if line and line[0] != "#"]
        answers = []
        for file in request.json()["files"]:
            path, blob = file["path"], there.get(file["path"])
            answers.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if is_large(path, file["size"]) else "regular",
                    "shouldIgnore": any(re.fullmatch(line.replace("*", ".*"), path) for line in ignored),
                    **({"oid": blob.etag} if blob else {}),
                }
            )
        return Answer.json({"files": answers})

    def batch(self, request: Request, name: str, kind: str = "models") -> Answer:
        self.writable(request, kind.removesuffix("s"), name)
        prefix = "" if kind == "models" else f"{kind}/"
        verify = {"href": f"{self.url}/{prefix}{name}.git/info/lfs/objects/verify"}
        objects: list[dict[str, Any]] = []
        for wanted in request.json()["objects"]:
            known = {"oid": wanted["oid"], "size": wanted["size"]}
            if not self.store.has(wanted["oid"]):
                upload = {"href": f"{self.cdn_url}/cdn/{wanted['oid']}", "header": {}}
                known["actions"] = {"upload": upload, "verify": verify}
            objects.append(known)
        return Answer.json({"transfer": "basic", "objects": objects})

    def put(self, request: Request, oid: str) -> Answer:
        if "Authorization" in request.headers:
            raise Refusal(400, "the token must not be sent to the store of large files")
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refusal(400, "the content does not have this sha256")
        self.store.path(oid).write_bytes(request.body)
        return Answer()

    def verify(self, request: Request, name: str, kind: str = "models") -> Answer:
        if not self.store.has(request.json()["oid"]):
            raise Refusal(404, "the object was not uploaded")
        return Answer.json({})

    def commit(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        repo = self.writable(request, kind, name)
        if len(request.body) > self.most_bytes:
            raise Refusal(413, "The commit is too large")
        files = self._branch(repo, revision)
        lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
        header = lines[0]["value"]
        if header.get("parentCommit", repo.branches[revision]) != repo.branches[revision]:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            self._apply(files, line["key"], line["value"])
        made = repo.commit(files, header["summary"], header.get("description", ""), request.who, revision)
        url = f"{self.url}/{repo.id}/commit/{made.sha}"
        return Answer.json({"success": True, "commitOid": made.sha, "commitUrl": url, "hookOutput": ""})

    def _branch(self, repo: Repo, revision: str) -> dict[str, Blob]:
        if revision not in repo.branches:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo.listing(revision)

    def _apply(self, files: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            files[path] = self.store.keep(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if not self.store.has(value["oid"]):
                raise Refusal(400, f"{path} points to an object that was not uploaded")
            files[path] = self.store.large(value["oid"], self.store.path(value["oid"]).stat().st_size)
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        elif key == "deletedFolder":
            inside = [name for name in files if name.startswith(path.rstrip("/") + "/")]
            if not inside:
                raise Refusal(404, f"A folder with this name doesn't exist: {path}", "EntryNotFound")
            for name in inside:
                del files[name]
