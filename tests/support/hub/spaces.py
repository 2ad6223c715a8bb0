"""Spaces of the test Hub: secrets that can be written and never read, variables, hardware, runtime, restart.

State alone: nothing is built and nothing runs.
"""

from collections.abc import Callable
from typing import Any

from tests.support.hub.access import Access
from tests.support.hub.store import Repo
from tests.support.hub.web import Answer, Refusal, Request

HARDWARE = ("cpu-basic", "cpu-upgrade", "zero-a10g", "t4-small", "t4-medium", "l4x1", "a10g-small", "a100-large")
UPDATED = "2026-11-01T00:00:00.000Z"


class Spaces(Access):
    def space_routes(self, api: str) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", rf"{api}/secrets", self.secrets),
            ("POST", rf"{api}/secrets", self.set_secret),
            ("DELETE", rf"{api}/secrets", self.delete_secret),
            ("GET", rf"{api}/variables", self.variables),
            ("POST", rf"{api}/variables", self.set_variable),
            ("DELETE", rf"{api}/variables", self.delete_variable),
            ("GET", rf"{api}/runtime", self.runtime),
            ("POST", rf"{api}/hardware", self.set_hardware),
            ("POST", rf"{api}/sleeptime", self.set_sleep_time),
            ("PUT", rf"{api}/volumes", self.set_volumes),
            ("DELETE", rf"{api}/volumes", self.delete_volumes),
            ("POST", rf"{api}/restart", self.restart),
            ("POST", rf"{api}/pause", self.pause),
        ]

    def secrets(self, request: Request, name: str) -> Answer:
        repo = self.writable(request, "space", name)
        return Answer.json({key: {"key": key, "updatedAt": UPDATED} for key in repo.secrets})

    def set_secret(self, request: Request, name: str) -> Answer:
        repo, given = self.writable(request, "space", name), request.json()
        repo.secrets[given["key"]] = given["value"]
        return self.secrets(request, name)

    def delete_secret(self, request: Request, name: str) -> Answer:
        self.writable(request, "space", name).secrets.pop(request.json()["key"], None)
        return self.secrets(request, name)

    def variables(self, request: Request, name: str) -> Answer:
        repo = self.writable(request, "space", name)
        return Answer.json(
            {key: {"key": key, "value": value, "updatedAt": UPDATED} for key, value in repo.variables.items()}
        )

    def set_variable(self, request: Request, name: str) -> Answer:
        repo, given = self.writable(request, "space", name), request.json()
        repo.variables[given["key"]] = given["value"]
        return self.variables(request, name)

    def delete_variable(self, request: Request, name: str) -> Answer:
        self.writable(request, "space", name).variables.pop(request.json()["key"], None)
        return self.variables(request, name)

    def runtime(self, request: Request, name: str) -> Answer:
        return Answer.json(self.runtime_of(self.readable(request, "space", name)))

    def set_hardware(self, request: Request, name: str) -> Answer:
        repo, given = self.writable(request, "space", name), request.json()
        if given["flavor"] not in HARDWARE:
            raise Refusal(400, f"Invalid hardware: {given['flavor']}")
        repo.requested_hardware = given["flavor"]
        repo.sleep_time = given.get("sleepTimeSeconds", repo.sleep_time)
        if repo.stage == "RUNNING":
            repo.hardware = given["flavor"]
        return Answer.json(self.runtime_of(repo))

    def set_sleep_time(self, request: Request, name: str) -> Answer:
        repo = self.writable(request, "space", name)
        repo.sleep_time = request.json()["seconds"]
        return Answer.json(self.runtime_of(repo))

    def set_volumes(self, request: Request, name: str) -> Answer:
        self.writable(request, "space", name).volumes = request.json()["volumes"]
        return Answer.json({})

    def delete_volumes(self, request: Request, name: str) -> Answer:
        self.writable(request, "space", name).volumes = []
        return Answer.json({})

    def restart(self, request: Request, name: str) -> Answer:
        repo = self.writable(request, "space", name)
        repo.restarts += 1
        return Answer.json(self.runtime_of(repo))

    def pause(self, request: Request, name: str) -> Answer:
        repo = self.writable(request, "space", name)
        repo.stage = "PAUSED"
        return Answer.json(self.runtime_of(repo))

    def runtime_of(self, repo: Repo) -> dict[str, Any]:
        hardware = {"current": repo.hardware, "requested": repo.requested_hardware or repo.hardware}
        return {
            "stage": repo.stage,
            "hardware": hardware,
            "gcTimeout": repo.sleep_time,
            "replicas": {"current": 1},
            "volumes": repo.volumes,
        }
