"""What this machine can do for a training: its device, and whether 4-bit weights work on it, tried out."""

import os
from dataclasses import dataclass

import torch

from trainers.base import default_device
from trainers.environment import machine


@dataclass(frozen=True)
class Machine:
    device: str
    """In words."""
    cores: int
    """Those that this process may use."""
    no_four_bit: str | None
    """Why 4-bit weights do not work, None when they do."""


def examined() -> Machine:
    """Look, and try a small 4-bit product. Takes seconds: the model libraries are loaded."""
    device = default_device()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(machine(device), cores, _no_four_bit(device))


def _no_four_bit(device: str) -> str | None:
    try:
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit

        weights = torch.linspace(-1, 1, 64 * 64, device=device).reshape(64, 64)
        packed, state = quantize_4bit(weights, quant_type="nf4", compress_statistics=True)
        error = (dequantize_4bit(packed, state) - weights).abs().max().item()
    except Exception as broken:
        # A library for other hardware fails in ways of its own; each means the same here.
        return f"{type(broken).__name__}: {str(broken).splitlines()[0] if str(broken) else 'no reason given'}"[:200]
    return None if error < 0.2 else f"a small product is off by {error:.2f}"
