"""An adapter folded into its base: one plain model, for publishing and for engines without LoRA.

The sum is taken in 32 bits on the base form the adapter was scored on. It is never taken on 4-bit weights, where
rounding the sum to 4 bits again can lose the adapter altogether.
"""

from pathlib import Path
from typing import Any

import torch

from trainers.adapter import check_adapter
from trainers.base import load_base, resolve_base
from trainers.files import JobError


def merge(base: str, revision: str | None, base_form: str, adapter_dir: Path) -> tuple[Any, Any]:
    """The merged model in 32 bits on the CPU, and its tokenizer; JobError when the adapter does not fit the base."""
    from peft import PeftModel

    if problems := check_adapter(adapter_dir, resolve_base(base, revision)):
        raise JobError(f"The adapter `{adapter_dir}` cannot be merged: {'; '.join(problems[:3])}. Train it again.")
    model, tokenizer = load_base(base, revision, base_form, "cpu", dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, str(adapter_dir)).merge_and_unload(safe_merge=True)
    return merged, tokenizer


def save_merged(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save as a plain transformers model in bf16 safetensors."""
    model.to(torch.bfloat16).save_pretrained(str(folder), max_shard_size="5GB")
    tokenizer.save_pretrained(str(folder))
