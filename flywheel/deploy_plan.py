"""What a deployment would change: this tree and its Spacefile against a Space as it stands. Pure; changes nothing.

Holds no secret's value, only where each would come from, so a plan may be printed, logged and compared.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flywheel.product_files import Content, is_product, is_same, read
from flywheel.spacefile import FREE_HARDWARE, NAME, Spacefile
from storage.hub import RemoteFile
from storage.hub_spaces import Mount, SpaceState

MADE_BY_THE_HUB = (".gitattributes", "README.md")
"""What a new, empty Space may hold already."""
THERE, ENVIRONMENT, PROMPT, MISSING = "there already", "environment", "prompt", "missing"


@dataclass(frozen=True)
class Secret:
    """A secret by its name; `source` is where its value comes from, `there already` when it is left as it is."""

    name: str
    source: str

    @property
    def is_sent(self) -> bool:
        return self.source != THERE


@dataclass(frozen=True)
class Plan:
    """Sizes in bytes. `variables` are those to set, with their values; everybody may read those on a Space."""

    repo: str
    url: str
    creates: bool
    visibility: str
    added: dict[str, int]
    changed: dict[str, int]
    deleted: dict[str, int]
    unchanged: int
    left_alone: tuple[str, ...]
    """Files of the Space that are no part of this product: never touched."""
    variables: dict[str, str]
    variables_removed: tuple[str, ...]
    secrets: tuple[Secret, ...]
    hardware: str | None
    """To be requested; None leaves what there is."""
    hardware_now: str | None
    volumes: tuple[Mount, ...] | None
    """To be mounted in place of what there is; None leaves it."""
    warnings: tuple[str, ...] = field(default=())

    @property
    def changes_code(self) -> bool:
        return bool(self.added or self.changed or self.deleted)

    @property
    def secrets_sent(self) -> tuple[str, ...]:
        return tuple(secret.name for secret in self.secrets if secret.is_sent)

    @property
    def changes(self) -> bool:
        settings = self.variables or self.variables_removed or self.secrets_sent or self.hardware
        return bool(self.creates or self.changes_code or settings or self.volumes is not None)

    def record(self) -> dict[str, Any]:
        """As one JSON object."""
        action = "create" if self.creates else "update" if self.changes else "nothing"
        return {"action": action} | asdict(self)


def make_plan(
    repo: str,
    url: str,
    space: Spacefile,
    files: Mapping[str, Content],
    state: SpaceState | None,
    there: Mapping[str, RemoteFile],
    secrets: tuple[Secret, ...],
    account: str,
) -> Plan:
    """The plan. `there` are the files on the Space, `account` the name of who deploys."""
    data = {name: read(content) for name, content in files.items()}
    same = {n for n, d in data.items() if n in there and is_same(d, there[n].digest, there[n].is_large)}
    set_there = state.variables if state else {}
    # The Hub mounts repositories read-only whatever is asked.
    volumes = tuple(Mount(v.type, v.source, v.mount_path, v.read_only or v.type != "bucket") for v in space.volumes)
    now = (state.requested_hardware or state.hardware) if state else None
    return Plan(
        repo=repo,
        url=url,
        creates=state is None,
        visibility=space.visibility if state is None else "private" if state.private else "public",
        added={name: len(d) for name, d in data.items() if name not in there},
        changed={name: len(d) for name, d in data.items() if name in there and name not in same},
        deleted={name: there[name].size for name in there if name not in data and is_product(name)},
        unchanged=len(same),
        left_alone=tuple(name for name in there if not is_product(name)),
        variables={k: v for k, v in space.variables.items() if set_there.get(k) != v},
        variables_removed=tuple(name for name in set_there if name not in space.variables),
        secrets=secrets,
        hardware=space.hardware if space.hardware != now else None,
        hardware_now=now,
        volumes=volumes if volumes != (state.volumes if state else ()) else None,
        warnings=tuple(_warnings(repo, space, state, secrets, account)),
    )


def foreign(space: Spacefile, state: SpaceState, there: Mapping[str, RemoteFile]) -> str | None:
    """Why a Space is not one that Flywheel was deployed to; None for one that is, or is still empty."""
    if state.sdk is not None and state.sdk != space.sdk:
        return f"it is a Space of the kind `{state.sdk}`"
    if NAME not in there and set(there) - set(MADE_BY_THE_HUB):
        return f"it holds other files ({', '.join(sorted(set(there) - set(MADE_BY_THE_HUB))[:3])})"
    return None


def _warnings(
    repo: str, space: Spacefile, state: SpaceState | None, secrets: tuple[Secret, ...], account: str
) -> list[str]:
    hardware = space.hardware or (state.requested_hardware or state.hardware if state else None) or "cpu-basic"
    found = []
    if hardware not in FREE_HARDWARE:
        found.append(f"`{hardware}` is paid for by the minute while the Space runs.")
    if hardware == "cpu-basic" and state is None:
        found.append("A new Gradio Space on `cpu-basic` takes a paid plan (PRO, Team or Enterprise).")
    if hardware == "zero-a10g":
        found.append("ZeroGPU serves functions marked for it, and Flywheel marks none. Choose other hardware.")
    if space.hf_oauth is not True:
        found.append("`hf_oauth` is not true: nobody can sign in with Hugging Face.")
    if repo.split("/")[0] != account and "FLYWHEEL_OWNERS" not in space.variables:
        found.append(f"No person is named as owner: `{repo.split('/')[0]}` is not you. Set FLYWHEEL_OWNERS.")
    if any(secret.name == "HF_TOKEN" and secret.source == ENVIRONMENT for secret in secrets):
        found.append("The Space gets the token in HF_TOKEN that deploys it. Better make it one of its own.")
    if not (state and state.private) and (state or space.visibility != "private"):
        found.append("The Space is public: everybody can chat there and read its code.")
    unnamed = sorted(set(state.secrets) - set(space.secrets)) if state else []
    if unnamed:
        found.append(f"Secrets that the Spacefile does not name stay as they are: {', '.join(unnamed)}.")
    found.append("The disk of a Space is emptied at each restart (docs/deploy.md).")
    return found
