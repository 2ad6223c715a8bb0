"""Who may do what at the test Hub: tokens, private repositories, namespaces; and making or deleting a repository."""

from collections.abc import Mapping
from typing import Any

from tests.support.hub.store import Repo, Store
from tests.support.hub.web import Answer, Refusal, Request

NO_REPO = "Repository not found"


class Access:
    """`tokens`: {token: {"user": …, "role": "read" | "write", "orgs": […]}}."""

    store: Store
    tokens: Mapping[str, Mapping[str, Any]]
    url: str
    cdn_url: str

    def token(self, request: Request) -> Mapping[str, Any] | None:
        """What the request's token says; None without one. Refuses a wrong one, whatever is asked."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if value not in self.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.tokens[value]

    def who(self, request: Request) -> str:
        token = self.token(request)
        return str(token["user"]) if token else ""

    def readable(self, request: Request, kind: str, name: str) -> Repo:
        """The repository, if this request may read it; a private one is not admitted to exist."""
        repo = self.store.find(kind, name)
        hidden = repo is not None and repo.private and repo.author not in self._namespaces(request)
        if repo is None or hidden:
            raise Refusal(404 if self.token(request) else 401, NO_REPO, "RepoNotFound")
        if repo.gated and repo.author not in self._namespaces(request):
            raise Refusal(403, f"Access to {repo.kind} {repo.id} is restricted", "GatedRepo")
        return repo

    def writable(self, request: Request, kind: str, name: str) -> Repo:
        repo = self.readable(request, kind, name)
        self.may_write(request, repo.author)
        return repo

    def may_write(self, request: Request, namespace: str) -> None:
        token = self.token(request)
        if token is None:
            raise Refusal(401, "Invalid username or password.")
        if token.get("role") != "write":
            raise Refusal(403, "Your token is read-only: this needs a token with write access")
        if namespace not in self._namespaces(request):
            raise Refusal(403, f"You don't have the rights to write under the namespace {namespace}")

    def create(self, request: Request) -> Answer:
        given = request.json()
        namespace = given.get("organization") or self.who(request)
        kind, name = given.get("type") or "model", f"{namespace}/{given['name']}"
        self.may_write(request, namespace)
        url = f"{self.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if self.store.find(kind, name):
            body = Answer.json({"error": "You already created this repo", "url": url}, 409)
            body.headers["X-Error-Message"] = f"You already created this {kind} repo: {name}"
            return body
        private = given.get("private", given.get("visibility") == "private")
        fields: dict[str, Any] = {"sdk": given.get("sdk")}
        if kind == "space":
            fields["requested_hardware"] = given.get("hardware")
            fields["secrets"] = {item["key"]: item["value"] for item in given.get("secrets", ())}
            fields["variables"] = {item["key"]: item["value"] for item in given.get("variables", ())}
            fields["volumes"] = given.get("volumes", [])
        self.store.create(kind, name, private=private, who=self.who(request), **fields)
        return Answer.json({"url": url, "name": name, "id": name})

    def delete(self, request: Request) -> Answer:
        given = request.json()
        namespace = given.get("organization") or self.who(request)
        repo = self.writable(request, given.get("type") or "model", f"{namespace}/{given['name']}")
        self.store.remove(repo)
        return Answer.json({})

    def _namespaces(self, request: Request) -> tuple[str, ...]:
        token = self.token(request)
        return (token["user"], *token.get("orgs", ())) if token else ()
