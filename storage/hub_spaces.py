"""Spaces of the Hub: what one is set to, and setting it. Code goes there by `Hub.commit(kind="space")`.

A secret's value goes out and never comes back: the Hub names secrets and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.errors import HubConflict, HubMissing
from storage.hub_calls import Calls


@dataclass(frozen=True)
class Mount:
    """A bucket (`bucket`) or repository (`model`, `dataset`) that a Space finds in a folder of its own."""

    kind: str
    source: str
    mount_path: str
    read_only: bool


@dataclass(frozen=True)
class SpaceState:
    """A Space as it stands."""

    sha: str
    sdk: str | None
    private: bool
    stage: str
    """`RUNNING`, `BUILDING`, `PAUSED`, `NO_APP_FILE`, `RUNTIME_ERROR` …"""
    hardware: str | None
    requested_hardware: str | None
    sleep_time_s: int | None
    variables: dict[str, str]
    secrets: tuple[str, ...]
    """Names alone."""
    author: str
    volumes: tuple[Mount, ...] = ()


class Spaces(Calls):
    """The part of `storage.hub.Hub` about Spaces; `repo` is `name/space`."""

    def space(self, repo: str) -> SpaceState | None:
        """The Space as it stands; None when there is none that this token may see. Takes a token that may write."""
        try:
            info = self._read("read", repo, lambda: self._api.space_info(repo))
        except HubMissing:
            return None
        runtime = self._read("read", repo, lambda: self._api.get_space_runtime(repo))
        variables = self._read("read the variables of", repo, lambda: self._api.get_space_variables(repo))
        secrets = self._read("read the names of secrets of", repo, lambda: self._api.get_space_secrets(repo))
        return SpaceState(
            sha=str(info.sha),
            sdk=info.sdk,
            private=bool(info.private),
            stage=str(runtime.stage),
            hardware=runtime.hardware,
            requested_hardware=runtime.requested_hardware,
            sleep_time_s=runtime.sleep_time,
            variables={name: variable.value for name, variable in variables.items()},
            secrets=tuple(sorted(secrets)),
            author=info.author or repo.split("/")[0],
            volumes=tuple(Mount(v.type, v.source, v.mount_path, bool(v.read_only)) for v in runtime.volumes or ()),
        )

    def create_space(
        self,
        repo: str,
        sdk: str,
        *,
        visibility: str = "private",
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        hardware: str | None = None,
        volumes: Sequence[Mount] = (),
    ) -> bool:
        """Make a Space that has all of this from its first start; False, and nothing is set, when it was there."""
        # The client's lists lag behind the Hub's; the Hub itself says what there is.
        flavour: Any = hardware
        seen: Any = visibility

        def make() -> None:
            self._api.create_repo(
                repo,
                repo_type="space",
                space_sdk=sdk,
                visibility=seen,
                space_hardware=flavour,
                space_variables=[{"key": name, "value": value} for name, value in (variables or {}).items()] or None,
                space_secrets=[{"key": name, "value": value} for name, value in (secrets or {}).items()] or None,
                space_volumes=_client_volumes(volumes) or None,
            )

        try:
            self._write("create the Space", repo, make)
        except HubConflict:
            return False
        return True

    def set_volumes(self, repo: str, volumes: Sequence[Mount]) -> None:
        """Mount exactly these; what was mounted before is not any more."""
        if volumes:
            mounts = _client_volumes(volumes)
            self._write("set the volumes of", repo, lambda: self._api.set_space_volumes(repo, mounts))
        else:
            self._write("delete the volumes of", repo, lambda: self._api.delete_space_volumes(repo))

    def set_variable(self, repo: str, name: str, value: str) -> None:
        """Set a variable; everyone who sees the Space may read it."""
        self._write("set a variable of", repo, lambda: self._api.add_space_variable(repo, name, value))

    def delete_variable(self, repo: str, name: str) -> None:
        """Take a variable away."""
        self._write("delete a variable of", repo, lambda: self._api.delete_space_variable(repo, name))

    def set_secret(self, repo: str, name: str, value: str) -> None:
        """Set a secret; nobody can read it back."""
        self._write("set a secret of", repo, lambda: self._api.add_space_secret(repo, name, value))

    def delete_secret(self, repo: str, name: str) -> None:
        """Take a secret away."""
        self._write("delete a secret of", repo, lambda: self._api.delete_space_secret(repo, name))

    def request_hardware(self, repo: str, hardware: str, sleep_time_s: int | None = None) -> None:
        """Ask for hardware such as `cpu-basic` or `t4-small`; it comes when the Space starts again."""
        # The client's list of hardware lags behind the Hub's; the Hub itself says what there is.
        wanted: Any = hardware

        def ask() -> None:
            self._api.request_space_hardware(repo, wanted, sleep_time=sleep_time_s)

        self._write("choose the hardware of", repo, ask)

    def restart_space(self, repo: str) -> None:
        """Start the Space again."""
        self._write("restart", repo, lambda: self._api.restart_space(repo))

    def author(self, repo: str) -> str:
        """Whose Space it is: a person's or an organisation's name."""
        return str(self._read("read", repo, lambda: self._api.space_info(repo)).author or repo.split("/")[0])


def _client_volumes(volumes: Sequence[Mount]) -> list[Any]:
    from huggingface_hub import Volume

    return [
        Volume(type=mount.kind, source=mount.source, mount_path=mount.mount_path, read_only=mount.read_only)
        for mount in volumes
    ]
