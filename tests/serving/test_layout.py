"""How a base lies in memory changes how fast it answers, and nothing else."""

from pathlib import Path

import pytest
import torch

from flywheel.serving.local_layout import lay_out
from trainers.base import load_base

IDS = torch.tensor([[3, 5, 7, 11, 4]])


def test_numbers_stay_and_a_shared_weight_stays_shared(tiny: Path) -> None:
    plain, laid = load_base(str(tiny), None, "full")[0], load_base(str(tiny), None, "full")[0]
    lay_out(laid)
    gate, down = laid.model.layers[0].mlp.gate_proj.weight, laid.model.layers[0].mlp.down_proj.weight
    assert not gate.is_contiguous() and down.is_contiguous()
    assert laid.lm_head.weight.data_ptr() == laid.get_input_embeddings().weight.data_ptr()
    for name, weight in plain.named_parameters():
        assert torch.equal(weight, laid.get_parameter(name)), name
    with torch.inference_mode():
        torch.testing.assert_close(laid(IDS).logits, plain(IDS).logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_16_bits_stay_as_they_lie(tiny: Path, dtype: torch.dtype) -> None:
    model = load_base(str(tiny), None, "full", dtype=dtype)[0]
    lay_out(model)
    assert all(weight.is_contiguous() for weight in model.parameters())
