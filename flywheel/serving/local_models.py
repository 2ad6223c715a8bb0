"""The models in memory: one base per base form, and the adapters of the versions that were asked for.

Every call comes from the one thread of the engine. Knows no requests and no text.
"""

from collections import OrderedDict
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from flywheel.errors import Damaged, NotFound
from flywheel.serving.engine import BASE_VERSION, AdapterSpec
from flywheel.serving.local_layout import lay_out
from flywheel.serving.local_norms import fuse_norms
from flywheel.serving.local_trial import Memory, try_memory
from flywheel.words.catalogue import say
from storage.files import sha256_file

WEIGHTS = "adapter_model.safetensors"
MOST_ADAPTERS = 8
"""Adapters kept in memory for each base form; the one not used for longest goes first, unless it is answering."""


class Models:
    """Loads on first use and switches between versions. A version that cannot be loaded is an error, never another."""

    def __init__(self, base: str, revision: str | None, adapters: Callable[[str], AdapterSpec | None]) -> None:
        """`base` is a folder or a Hub id in the local cache. JobError when there is no such base."""
        from trainers.base import resolve_base

        self.folder: Path = resolve_base(base, revision)
        self._base, self._revision, self._adapters = base, revision, adapters
        self._slots: dict[str, _Slot] = {}
        self.tokenizer: Any = None
        self.memory = Memory(0, None)
        """How the base remembers, known once one is loaded."""

    def find(self, version: str) -> AdapterSpec | None:
        """Where the version's adapter lies; None for the base itself. NotFound for an unknown version."""
        if version == BASE_VERSION:
            return None
        found = self._adapters(version)
        if found is None:
            raise NotFound(say("error.version.not_there", version=version))
        return found

    def select(self, version: str, spec: AdapterSpec | None, keep: Container[str] = ()) -> Any:
        """The model with exactly this version's weights, until the next call. `spec` is what `find` said.

        Versions in `keep` stay in memory whatever is loaded. Damaged when the adapter is not what was written.
        """
        if spec is None:
            return self._slot("full").select(BASE_VERSION)
        slot = self._slot(spec.base_form)
        if not slot.holds(version, spec.sha256):
            self._verify(version, spec)
            try:
                slot.load(version, spec, keep)
            except Exception:
                # A model that took half an adapter in must not answer again.
                del self._slots[spec.base_form]
                raise
        return slot.select(version)

    def _slot(self, base_form: str) -> "_Slot":
        if base_form not in self._slots:
            import torch

            from trainers.base import load_base

            # Weights made in inference mode could not be changed outside it ever after.
            with torch.inference_mode(False):
                model, tokenizer = load_base(self._base, self._revision, base_form)
                lay_out(model)
                fuse_norms(model)
            if self.tokenizer is None:
                self.tokenizer, self.memory = tokenizer, try_memory(model)
            self._slots[base_form] = _Slot(model)
        return self._slots[base_form]

    def _verify(self, version: str, spec: AdapterSpec) -> None:
        from trainers.adapter import check_adapter

        problems = check_adapter(spec.path, self.folder)
        if not problems and sha256_file(spec.path / WEIGHTS) != spec.sha256:
            problems = [say("standing.other_adapter")]
        if problems:
            raise Damaged(say("error.version.cannot_answer", version=version, problem=problems[0]))


class _Slot:
    """One base in memory, with adapters that are switched on one at a time."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: Any = None
        self._loaded: OrderedDict[str, str] = OrderedDict()
        self._active = BASE_VERSION

    def holds(self, version: str, sha256: str) -> bool:
        return self._loaded.get(version) == sha256

    def load(self, version: str, spec: AdapterSpec, keep: Container[str]) -> None:
        import torch
        from peft import PeftModel

        self._make_room(version, keep)
        with torch.inference_mode(False):
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(
                    self._model, str(spec.path), adapter_name=version, is_trainable=False
                )
                self._active = version
            else:
                self._peft.load_adapter(str(spec.path), adapter_name=version, is_trainable=False)
        self._loaded[version] = spec.sha256

    def select(self, version: str) -> Any:
        if version != self._active:
            if version == BASE_VERSION:
                self._peft.base_model.disable_adapter_layers()
            else:
                if self._active == BASE_VERSION:
                    self._peft.base_model.enable_adapter_layers()
                self._peft.set_adapter(version, inference_mode=True)
            self._active = version
        if version in self._loaded:
            self._loaded.move_to_end(version)
        return self._model

    def _make_room(self, version: str, keep: Container[str]) -> None:
        going = [version] if version in self._loaded else []
        idle = [name for name in self._loaded if name != version and name not in keep]
        going += idle[: max(0, len(self._loaded) - len(going) - MOST_ADAPTERS + 1)]
        for name in going:
            self._peft.delete_adapter(name)
            del self._loaded[name]
            if self._active == name:
                # Deleting the active adapter makes peft choose another; the next select must set its own.
                self._active = f"{name} (deleted)"
