"""Which base model the settings name: where it is loaded from, how to tell it from another later, on whose terms.

Knows no model library and no network; `base_fetch` brings one here from the Hub. An adapter belongs to the exact
weights it was trained on, so each version records the fingerprint of its base, and one whose base has changed since is
not served.
"""

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.errors import Conflict, Unavailable
from flywheel.settings import Settings
from flywheel.words.catalogue import say
from storage.files import write_atomic
from storage.home import Home

COMMIT = re.compile(r"[0-9a-f]{40}")
LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")


@dataclass(frozen=True)
class BaseRecord:
    """What is said of a base where its versions go: on a card, in a lineage, on a page."""

    name: str
    """As a person wrote it, without a revision; of a folder its last part."""
    revision: str | None
    """The commit on the Hub; of a folder the fingerprint of its weights."""
    licence: str | None
    """The identifier that its card gives, such as `apache-2.0`; None when it gives none."""
    licence_name: str | None
    """What the card calls it where the identifier is `other`."""
    licence_files: tuple[Path, ...]
    """Licence and notices that came with it."""
    architecture: str
    """The class of the model, such as `LlamaForCausalLM`."""
    parameters: int


@dataclass
class BaseModel:
    """The base of one home. That of a Hub id is known by its commit once it was found; `pin` says which."""

    name: str
    """As a person wrote it: `starter`, a folder, a Hub id, or the name at another server."""
    location: str
    """What a loader is given: a folder or a Hub id."""
    revision: str | None
    """What a loader is given besides, for a Hub id only; a commit once it is pinned."""
    is_starter: bool
    is_remote: bool = False
    """It runs at another server, and only its name is known: no weights to train, merge or put an adapter on."""
    is_on_hub: bool = False
    """It is fetched from the Hub, not read from a folder."""
    pins: Path | None = None
    """Where the commits are kept that this home works with."""
    hub_folder: Path | None = None
    """Where the files of a Hub id lie, once they are here."""

    def require_here(self, consequence: str) -> None:
        """Raise Conflict where the weights are not here; `consequence` ends the sentence that begins with `so`."""
        if self.is_remote:
            raise Conflict(self.elsewhere(consequence))

    def elsewhere(self, consequence: str) -> str:
        """Why something cannot be done on a model at another server, and what to do."""
        return say("error.base.elsewhere", name=self.name, consequence=consequence)

    @property
    def folder(self) -> Path | None:
        """Where its files lie; None for one of the Hub that is not here yet, and for one at another server."""
        return self.hub_folder if self.is_on_hub or self.is_remote else Path(self.location)

    @property
    def fingerprint(self) -> str | None:
        """`sha256:…` over the weights and the vocabulary of a folder; the commit of a Hub id, None until it is known.

        Cached.
        """
        if self.is_remote:
            return None
        if self.is_on_hub:
            return self.revision if self.revision and COMMIT.fullmatch(self.revision) else None
        if not Path(self.location).is_dir():
            return None
        files = sorted(p for p in Path(self.location).iterdir() if p.suffix == ".safetensors" or p.name in _DEFINING)
        return _fingerprint(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files))

    def pin(self, sha: str, folder: Path) -> None:
        """Work with this commit from now on, also after a restart; a name on the Hub may move meanwhile."""
        self.revision, self.hub_folder = sha, folder
        if self.pins is not None and _pinned(self.pins).get(self.name) != sha:
            write_atomic(self.pins, json.dumps({**_pinned(self.pins), self.name: sha}, indent=1) + "\n")

    def present(self) -> Path:
        """The folder of its files. Raises Unavailable while they are still being fetched."""
        if self.folder is None:
            raise Unavailable(say("error.base.not_here", name=self.name))
        return self.folder

    def record(self) -> BaseRecord:
        """What is said of it where its versions go. Raises Unavailable while it is still being fetched."""
        from trainers.adapter import base_shapes
        from trainers.weights import parameters

        folder, card = self.present(), {}
        if (folder / "README.md").is_file():
            card = front_matter((folder / "README.md").read_text(encoding="utf-8", errors="replace"))
        licence = card.get("license")
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        name = self.name.partition("@")[0] if self.is_on_hub else folder.name
        files = {path for pattern in LICENCE_FILES for path in folder.glob(pattern)}
        licence_files = tuple(sorted(files))
        if self.is_starter:
            name, licence = "starter", "apache-2.0"
            licence_files = (Path(__file__).resolve().parent.parent / "LICENSE",)
        return BaseRecord(
            name=name,
            revision=self.fingerprint,
            licence=str(licence[0] if isinstance(licence, list) and licence else licence) if licence else None,
            licence_name=str(card["license_name"]) if card.get("license_name") else None,
            licence_files=licence_files,
            architecture=str((config.get("architectures") or ["?"])[0]),
            parameters=parameters(base_shapes(folder)),
        )


_DEFINING = ("config.json", "tokenizer.json", "chat_template.jinja")


def base_model(settings: Settings, home: Home | None = None) -> BaseModel:
    """The base of these settings, at the commit that the home works with. Touches no network and opens no model."""
    if settings.is_remote:
        return BaseModel(settings.base_model, settings.base_model, None, False, is_remote=True)
    if settings.is_starter:
        from starter import paths

        return BaseModel("starter", str(paths.MODEL_DIR), None, True)
    name = settings.base_model
    if Path(name).is_dir():
        return BaseModel(name, name, None, False)
    location, _, revision = name.partition("@")
    pins = home.bases if home is not None else None
    kept = _pinned(pins).get(name) if pins is not None else None
    return BaseModel(name, location, kept or revision or None, False, is_on_hub=True, pins=pins)


def front_matter(card: str) -> dict[str, Any]:
    """The data at the head of a model card; empty when there is none that can be read."""
    import yaml

    found = re.match(r"\s*---\r?\n(.*?)\r?\n---\s*(\n|$)", card, re.DOTALL)
    try:
        data = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}


def _pinned(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in data.items() if COMMIT.fullmatch(str(v))} if isinstance(data, dict) else {}


@functools.lru_cache(maxsize=8)
def _fingerprint(state: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for path, _size, _changed in state:
        with Path(path).open("rb") as file:
            whole.update(Path(path).name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"
