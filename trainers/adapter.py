"""Adapters on disk: checked without trust before a model library opens them, and saved the same way every time.

An adapter is a folder of adapter_config.json and adapter_model.safetensors, listed with sha256 in the MANIFEST.json of
that folder or of the one above. The safetensors format has no checksum and a flipped bit loads without complaint, so
the check reads the bytes themselves.
"""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from trainers.files import MANIFEST, JobError, read_json, sync_file, sync_folder, verify_manifest, write_json
from trainers.job import ADAPTER_FILES

MOST_HEADER = 16 << 20
"""Bytes of a safetensors header; a hundred times what the largest model needs."""
MOST_CONFIG = 64 << 10
FLOATS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
"""How many bytes, and the exponent bits that are all set in NaN and Inf alone."""
TENSOR = re.compile(r"base_model\.model\.(?P<module>[A-Za-z0-9_.]+)\.lora_(?P<half>[AB])\.weight")
BEYOND_LORA = (
    "modules_to_save",
    "auto_mapping",
    "trainable_token_indices",
    "layer_replication",
    "megatron_config",
    "rank_pattern",
    "alpha_pattern",
    "target_parameters",
    "use_dora",
    "lora_bias",
)

Header = dict[str, tuple[str, tuple[int, ...], int, int]]
"""Tensor name → dtype, shape, first and last byte in the file."""


def check_adapter(adapter_dir: Path, base_dir: Path) -> list[str]:
    """Why this adapter must not be loaded on this base, in words; empty when nothing speaks against it."""
    if not adapter_dir.is_dir():
        return [f"there is no adapter folder {adapter_dir}"]
    names = {entry.name for entry in adapter_dir.iterdir()} - {MANIFEST}
    problems = [f"the file {name} does not belong into an adapter" for name in sorted(names - set(ADAPTER_FILES))]
    problems += [f"{name} is missing" for name in ADAPTER_FILES if name not in names]
    if problems:
        return problems
    if problems := _manifest_problems(adapter_dir):
        return problems
    try:
        rank = _rank(adapter_dir / ADAPTER_FILES[0])
        header = read_header(adapter_dir / ADAPTER_FILES[1])
        return _shape_problems(header, base_shapes(base_dir), rank) + _value_problems(adapter_dir, header)
    except JobError as error:
        return [str(error)]


def save_adapter(model: Any, folder: Path, base: str, revision: str | None) -> None:
    """Save the LoRA of a PeftModel: the same weights give the same bytes, wherever and whenever."""
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        model.save_pretrained(str(beside), save_embedding_layers=False)
        for extra in {entry.name for entry in beside.iterdir()} - set(ADAPTER_FILES):
            (beside / extra).unlink()
        config = read_json(beside / ADAPTER_FILES[0])
        # peft writes this set in an order that changes from one process to the next.
        config["target_modules"] = sorted(config["target_modules"])
        config |= {"base_model_name_or_path": base, "revision": revision}
        write_json(beside / ADAPTER_FILES[0], dict(sorted(config.items())))
        sync_file(beside / ADAPTER_FILES[1])
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_header(path: Path) -> Header:
    """The table of contents of a safetensors file; JobError when it is not whole and in order."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MOST_HEADER, size - 8):
            raise JobError(f"{path.name} is cut short or no safetensors file")
        raw = file.read(length)
    try:
        given = json.loads(raw)
        given.pop("__metadata__", None)
        header = {n: (t["dtype"], tuple(map(int, t["shape"])), *map(int, t["data_offsets"])) for n, t in given.items()}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise JobError(f"the header of {path.name} is damaged") from error
    place = 0
    for _, _, start, end in sorted(header.values(), key=lambda entry: entry[2:]):
        if start != place or end < start:
            raise JobError(f"the header of {path.name} is damaged: its tensors overlap or leave gaps")
        place = end
    if place != size - 8 - length:
        raise JobError(f"{path.name} is cut short: its header promises {place} bytes")
    return {name: (d, s, a + 8 + length, b + 8 + length) for name, (d, s, a, b) in header.items()}


def base_shapes(base_dir: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each weight of a base, from the headers of its safetensors files."""
    shapes = {}
    for path in sorted(base_dir.glob("*.safetensors")):
        shapes |= {name: shape for name, (_, shape, _, _) in read_header(path).items()}
    return shapes


def _manifest_problems(adapter_dir: Path) -> list[str]:
    own = (adapter_dir / MANIFEST).exists()
    folder, prefix = (adapter_dir, "") if own else (adapter_dir.parent, f"{adapter_dir.name}/")
    return verify_manifest(folder, [prefix + name for name in ADAPTER_FILES])


def _rank(path: Path) -> int:
    if path.stat().st_size > MOST_CONFIG:
        raise JobError(f"{path.name} is larger than {MOST_CONFIG} bytes")
    config = read_json(path)
    if config.get("peft_type") != "LORA":
        raise JobError(f"{path.name} describes `{config.get('peft_type')}`, and only LORA can be served")
    if beyond := [key for key in BEYOND_LORA if config.get(key)]:
        raise JobError(f"{path.name} asks for `{beyond[0]}`, which a plain LoRA adapter does not")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or not 1 <= rank <= 512:
        raise JobError(f"{path.name} has the rank `{rank}`, and only 1 to 512 is sane")
    if not isinstance(alpha, int | float) or not math.isfinite(alpha) or alpha <= 0:
        raise JobError(f"{path.name} has the alpha `{alpha}`, which is no number above 0")
    return rank


def _shape_problems(header: Header, base: dict[str, tuple[int, ...]], rank: int) -> list[str]:
    problems = []
    halves: dict[str, set[str]] = {}
    for name, (dtype, shape, start, end) in header.items():
        match = TENSOR.fullmatch(name)
        if match is None or dtype not in FLOATS:
            problems.append(f"the tensor {name[:200]} ({dtype}) does not belong into an adapter")
            continue
        halves.setdefault(match["module"], set()).add(match["half"])
        under = base.get(match["module"] + ".weight")
        wanted = None if under is None else (rank, under[1]) if match["half"] == "A" else (under[0], rank)
        width = np.dtype(FLOATS[dtype][0]).itemsize
        if shape != wanted or math.prod(shape) * width != end - start:
            problems.append(f"the tensor {name[:200]} has the shape {shape}, and this base needs {wanted}")
    problems += [f"{module} has only one half of its LoRA" for module, half in halves.items() if len(half) == 1]
    return problems if halves or problems else ["the adapter holds no weights"]


def _value_problems(adapter_dir: Path, header: Header) -> list[str]:
    data = np.memmap(adapter_dir / ADAPTER_FILES[1], dtype=np.uint8, mode="r")
    problems = []
    for name, (dtype, _, start, end) in header.items():
        if dtype in FLOATS:
            kind, exponent = FLOATS[dtype]
            bits = np.frombuffer(data[start:end].tobytes(), dtype=kind)
            if bool(((bits & exponent) == exponent).any()):
                problems.append(f"the tensor {name[:200]} holds NaN or Inf")
    return problems
