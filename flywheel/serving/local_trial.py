"""Whether rows of a model may share a step: decided by the kind of its memory, then tried, never believed.

Knows no versions and no requests; called once, when a base was loaded.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flywheel.serving.local_batch import SharedRows, SingleRows, bytes_per_token, read_prompts
from flywheel.words.catalogue import say

SHORT, LONG = tuple(range(3, 8)), tuple(range(5, 18))
"""Prompts of a trial, in token ids that every vocabulary has."""
FOLLOWING = (4, 9)
MOVING_ROPE = ("dynamic", "longrope")
"""Position codes that depend on the longest row of a batch."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    """How a model remembers."""

    bytes_per_token: int
    apart: str | None
    """Why its rows cannot share a step, in words; None when they can."""


def try_memory(model: Any) -> Memory:
    """Read two prompts alone and together; rows that come out differently may not share a step."""
    import torch

    with torch.inference_mode():
        _, read = read_prompts(model, [LONG])
        size = bytes_per_token(read, len(LONG))
        apart = _by_kind(model, read)
        if apart is None:
            try:
                apart = _by_trial(model)
            except Exception:
                # Whatever a model cannot do together, it may well do alone.
                log.exception("a trial of shared steps failed")
                apart = say("model.trial_failed")
    return Memory(size, apart)


def _by_kind(model: Any, read: Any) -> str | None:
    from transformers.cache_utils import DynamicLayer

    kinds = sorted({type(layer).__name__ for layer in read.layers if type(layer) is not DynamicLayer})
    if kinds:
        return say("model.memory_kind", kinds=", ".join(kinds))
    rope = getattr(model.config.get_text_config(decoder=True), "rope_parameters", None) or {}
    codes = [part.get("rope_type") for part in (rope, *rope.values()) if isinstance(part, dict)]
    moving = [code for code in codes if code in MOVING_ROPE]
    return say("model.position_code", code=moving[0]) if moving else None


def _by_trial(model: Any) -> str | None:
    import torch

    short, long = _alone(model, SHORT), _alone(model, LONG)
    rows = SharedRows()
    read_together, read = read_prompts(model, [SHORT, LONG])
    rows.join(read, [SHORT, LONG])
    read_alone, read = read_prompts(model, [SHORT])
    rows.join(read, [SHORT])
    behind = torch.cat([read_together, read_alone])
    together = torch.stack([behind, *(rows.step(model, [token] * 3) for token in FOLLOWING)], dim=1)
    difference = _difference(torch.stack([short, long, short]).float(), together.float())
    # Rounding differs with the number of rows: in 32 bits by a millionth, in 16 bits by a hundredth.
    most = 1e-3 if behind.dtype == torch.float32 else 0.1
    return say("model.trial_differs", difference=f"{difference:.1%}") if difference > most else None


def _alone(model: Any, prompt: Sequence[int]) -> Any:
    """Logits (1 + following tokens, vocabulary) of a prompt that shares no step."""
    import torch

    logits, read = read_prompts(model, [prompt])
    rows = SingleRows()
    rows.join(read, [prompt])
    return torch.cat([logits, *(rows.step(model, [token]) for token in FOLLOWING)])


def _difference(expected: Any, found: Any) -> float:
    """The largest relative difference of a row. 0 where the model computes no finite numbers: it cannot answer."""
    if not expected.isfinite().all():
        return 0.0
    centred = expected - expected.mean(dim=-1, keepdim=True)
    return float(((found - expected).norm(dim=-1) / centred.norm(dim=-1).clamp(min=1e-9)).max())
