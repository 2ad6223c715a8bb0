"""Norms in one call give the very numbers of the model's own, or are left alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from flywheel.serving.local_norms import fuse_norms
from tests.support.tiny import make_tiny_model
from trainers.base import load_base

IDS = torch.tensor([[3, 5, 7, 11, 4]])


def both(path: Path, **how: Any) -> tuple[Any, Any, int]:
    """A base as it is and with its norms fused, and how many of them were."""
    plain, fused = load_base(str(path), None, "full", **how)[0], load_base(str(path), None, "full", **how)[0]
    return plain, fused, fuse_norms(fused)


@pytest.mark.parametrize(("shape", "a_layer"), [("llama", 2), ("qwen", 4)])
def test_all_norms_of_plain_shapes_are_fused_and_bit_equal(shape: str, a_layer: int, tmp_path: Path) -> None:
    plain, fused, count = both(make_tiny_model(tmp_path / shape, shape=shape))
    assert count == a_layer * plain.config.num_hidden_layers + 1
    with torch.inference_mode():
        assert torch.equal(plain(IDS).logits, fused(IDS).logits)


@pytest.mark.parametrize(("shape", "dtype"), [("gemma", torch.float32), ("llama", torch.bfloat16)])
def test_norms_that_compute_otherwise_are_never_changed(shape: str, dtype: torch.dtype, tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / shape, shape=shape)
    for module in (plain := load_base(str(path), None, "full", dtype=dtype)[0]).modules():
        if type(module).__name__.endswith("RMSNorm"):
            torch.nn.init.uniform_(module.weight, -1, 1)
    with torch.inference_mode():
        before = plain(IDS).logits
        assert fuse_norms(plain) == 0
        assert torch.equal(before, plain(IDS).logits)
