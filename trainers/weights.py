"""What the folder of a base must be, before a model library opens it; and whether this machine has 4-bit weights.

Imports no model library, so that the app may ask at once.
"""

import importlib.util
import math
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from trainers.adapter import base_shapes
from trainers.files import JobError, read_json

BASE_FILES = (
    "model*.safetensors",
    "*.json",
    "*.jinja",
    "*.model",
    "merges.txt",
    "vocab.txt",
    "README.md",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
    "USE_POLICY*",
)
"""All that is ever fetched of a base: weights, configuration, tokenizer, card and licence. No code, no pickles."""
NOT_BASE_FILES = ("*/*",)
"""What lies deeper is for other programs."""


def check_base(base: str, folder: Path) -> None:
    """Raise JobError, in words, when this folder is not a model that we load. `base` is what people call it."""
    check_config(base, folder)
    if not any(folder.glob("*.safetensors")):
        raise JobError(f"The base `{base}` has no safetensors weights. Pickled weights are never opened; convert them.")
    if missing := _missing_parts(folder):
        raise JobError(f"The base `{base}` is not whole: `{missing[0]}` is missing. Fetch it again.")
    if not base_shapes(folder):
        raise JobError(f"The safetensors files of the base `{base}` are empty. Fetch it again.")


def check_config(base: str, folder: Path) -> None:
    """The part of `check_base` that needs no weights."""
    if (folder / "adapter_config.json").exists():
        raise JobError(f"The base `{base}` is an adapter. Give the model that it was trained on.")
    if not (folder / "config.json").exists():
        raise JobError(f"The base `{base}` has no config.json, so it is no model. Give the folder of a model.")
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).exists() and "auto_map" in read_json(folder / name):
            raise JobError(f"The base `{base}` needs code of its own, which is never run. Choose another model.")


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Number of weights."""
    return sum(math.prod(shape) for shape in shapes.values())


def no_four_bit() -> str:
    """Why a base cannot be trained on in 4 bits here, as a sentence; empty where it can."""
    if importlib.util.find_spec("bitsandbytes") is None:
        return "4-bit weights (QLoRA) need bitsandbytes, which is not installed here."
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "4-bit weights (QLoRA) are used on CUDA and CPU alone, not on Apple's GPU."
    return ""


def _missing_parts(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return []
    parts = read_json(index).get("weight_map", {})
    return sorted({name for name in parts.values() if not (folder / name).is_file()})
