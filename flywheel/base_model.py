"""Which base model the settings name: where it is loaded from, and how to tell it from another later.

Knows no model library. An adapter belongs to the exact weights it was trained on, so each version records the
fingerprint of its base, and one whose base has changed since is not served.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from flywheel.errors import Conflict
from flywheel.settings import Settings


@dataclass(frozen=True)
class BaseModel:
    name: str
    """As a person wrote it: `starter`, a folder, a Hub id, or the name at another server."""
    location: str
    """What a loader is given: a folder or a Hub id."""
    revision: str | None
    """What a loader is given besides, for a Hub id only."""
    is_starter: bool
    is_remote: bool = False
    """It runs at another server, and only its name is known: no weights to train, merge or put an adapter on."""

    def require_here(self, consequence: str) -> None:
        """Raise Conflict where the weights are not here; `consequence` ends the sentence that begins with `so`."""
        if self.is_remote:
            raise Conflict(self.elsewhere(consequence))

    def elsewhere(self, consequence: str) -> str:
        """Why something cannot be done on a model at another server, and what to do."""
        return (
            f"FLYWHEEL_ENGINE is `openai`: `{self.name}` runs at another server, so {consequence}. "
            "Set FLYWHEEL_ENGINE to `local` and FLYWHEEL_BASE_MODEL to a folder or a Hub id for that."
        )

    @property
    def fingerprint(self) -> str | None:
        """`sha256:…` over the weights and the vocabulary of a folder; the revision of a Hub id. Cached."""
        if self.is_remote:
            return None
        folder = Path(self.location)
        if not folder.is_dir():
            return self.revision
        files = sorted(p for p in folder.iterdir() if p.suffix == ".safetensors" or p.name in _DEFINING)
        state = tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
        return _fingerprint(state)


_DEFINING = ("config.json", "tokenizer.json", "chat_template.jinja")


def base_model(settings: Settings) -> BaseModel:
    """The base of these settings. Touches no network; a folder is not opened."""
    if settings.is_remote:
        return BaseModel(settings.base_model, settings.base_model, None, False, is_remote=True)
    if settings.is_starter:
        from starter import paths

        return BaseModel("starter", str(paths.MODEL_DIR), None, True)
    if Path(settings.base_model).is_dir():
        return BaseModel(settings.base_model, settings.base_model, None, False)
    name, _, revision = settings.base_model.partition("@")
    return BaseModel(name, name, revision or None, False)


@functools.lru_cache(maxsize=8)
def _fingerprint(state: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for path, _size, _changed in state:
        with Path(path).open("rb") as file:
            whole.update(Path(path).name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"
