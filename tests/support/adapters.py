"""Random LoRA adapters, strong enough that each answers differently."""

from pathlib import Path


def make_adapter(base: Path, folder: Path, *, seed: int, rank: int = 4, strength: float = 0.5) -> Path:
    """Write an adapter for `base` with its manifest into `folder`; returns `folder`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from trainers.adapter import save_adapter
    from trainers.files import write_manifest
    from trainers.job import ADAPTER_FILES

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    chance = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = strength * torch.randn(weight.shape, generator=chance)
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_adapter(model, folder, str(base), None)
    write_manifest(folder, ADAPTER_FILES)
    return folder
