import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny import make_tiny_model
from trainers.adapter import check_adapter
from trainers.files import write_manifest

NAMES = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture
def adapter(trained_once: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    shutil.copytree(trained_once / "adapter", folder)
    write_manifest(folder, NAMES)
    return folder


def change_weights(folder: Path, change: Callable[[dict], dict]) -> None:  # type: ignore[type-arg]
    from safetensors.torch import load_file, save_file

    path = folder / NAMES[1]
    save_file(change(load_file(path)), path)
    write_manifest(folder, NAMES)


def test_untouched_adapter_passes(adapter: Path, base: Path) -> None:
    assert check_adapter(adapter, base) == []


def test_flipped_bit_is_seen(adapter: Path, base: Path) -> None:
    data = bytearray((adapter / NAMES[1]).read_bytes())
    data[-7] ^= 1
    (adapter / NAMES[1]).write_bytes(data)
    assert "damaged" in check_adapter(adapter, base)[0]


@pytest.mark.parametrize("part", [0, 5, 100, 0.5, -1])
def test_cut_file_is_seen(adapter: Path, base: Path, part: float) -> None:
    data = (adapter / NAMES[1]).read_bytes()
    keep = int(len(data) * part) if isinstance(part, float) else part
    (adapter / NAMES[1]).write_bytes(data[:keep])
    write_manifest(adapter, NAMES)
    assert check_adapter(adapter, base)


def test_zeroed_header_is_seen(adapter: Path, base: Path) -> None:
    data = (adapter / NAMES[1]).read_bytes()
    (adapter / NAMES[1]).write_bytes(b"\xff" * 8 + data[8:])
    write_manifest(adapter, NAMES)
    assert "cut short or no safetensors" in check_adapter(adapter, base)[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_one_bad_weight_is_seen(adapter: Path, base: Path, value: float, kind: str) -> None:
    import torch

    def spoil(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = sorted(weights)[3]
        weights[name] = weights[name].to(getattr(torch, kind))
        weights[name].view(-1)[5] = value
        return weights

    change_weights(adapter, spoil)
    assert "NaN or Inf" in check_adapter(adapter, base)[0]


def test_adapter_of_another_base_is_seen(adapter: Path, tmp_path: Path) -> None:
    other = make_tiny_model(tmp_path / "other", hidden=128)
    assert "this base needs" in check_adapter(adapter, other)[0]


def test_half_a_lora_is_seen(adapter: Path, base: Path) -> None:
    change_weights(adapter, lambda weights: {n: w for n, w in weights.items() if "lora_B" not in n})
    assert "only one half" in check_adapter(adapter, base)[0]


def test_foreign_tensor_is_seen(adapter: Path, base: Path) -> None:
    import torch

    change_weights(adapter, lambda weights: weights | {"model.embed_tokens.weight": torch.zeros(3, 3)})
    assert "does not belong" in check_adapter(adapter, base)[0]


@pytest.mark.parametrize(
    "change",
    [{"r": 4096}, {"r": "16"}, {"lora_alpha": None}, {"peft_type": "PREFIX_TUNING"}, {"modules_to_save": ["lm_head"]}],
)
def test_odd_configuration_is_seen(adapter: Path, base: Path, change: dict[str, object]) -> None:
    config = json.loads((adapter / NAMES[0]).read_text())
    (adapter / NAMES[0]).write_text(json.dumps({**config, **change}))
    write_manifest(adapter, NAMES)
    assert check_adapter(adapter, base)


def test_pickle_beside_an_adapter_is_refused(adapter: Path, base: Path) -> None:
    (adapter / "training_args.bin").write_bytes(b"")
    assert "training_args.bin does not belong" in check_adapter(adapter, base)[0]


def test_adapter_without_manifest_is_refused(adapter: Path, base: Path) -> None:
    (adapter / "MANIFEST.json").unlink()
    assert "MANIFEST.json is missing" in check_adapter(adapter, base)[0]


def test_missing_adapter_is_named(base: Path, tmp_path: Path) -> None:
    assert check_adapter(tmp_path / "v9", base) == [f"there is no adapter folder {tmp_path / 'v9'}"]
