"""Base models, loaded in the form that a version is trained, scored, served and merged on.

Safetensors alone, no code from a model's folder, no network: a Hub id must be in the local cache. Everything goes
through `resolve_base`, so that what was checked is what is loaded.
"""

import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils.logging import disable_progress_bar

from trainers.adapter import base_shapes
from trainers.adapter import check_adapter as check_adapter
from trainers.files import JobError
from trainers.job import BASE_FORMS
from trainers.weights import BASE_FILES, NOT_BASE_FILES, check_base, no_four_bit
from trainers.weights import parameters as parameters

SMALL = 60_000_000
"""Parameters up to which a CPU works in 32 bits: there it costs no time, and scores do not hang on rounding."""
FOUR_BIT_DEVICES = ("cuda", "cpu")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def resolve_base(base: str, revision: str | None = None) -> Path:
    """The folder of a base; JobError when there is none, or it is not one we load."""
    folder = Path(base)
    if not folder.is_dir():
        if not HUB_ID.fullmatch(base):
            raise JobError(f"The base `{base}` does not exist. Give the folder of a model, or a Hub id.")
        try:
            folder = Path(
                snapshot_download(
                    base,
                    revision=revision,
                    local_files_only=True,
                    allow_patterns=list(BASE_FILES),
                    ignore_patterns=list(NOT_BASE_FILES),
                )
            )
        except LocalEntryNotFoundError as error:
            fetch = f"hf download {base}" + (f" --revision {revision}" if revision else "")
            raise JobError(
                f"The base `{base}` is neither a folder nor in the local cache. Fetch it first: `{fetch}`."
            ) from error
    check_base(base, folder)
    return folder


def load_base(
    base: str, revision: str | None, base_form: str, device: str | None = None, dtype: torch.dtype | None = None
) -> tuple[Any, Any]:
    """Load a base for answering: (model in evaluation mode, tokenizer padding on the left).

    `nf4-dequantised` holds the very weights an NF4 training sees, written out again, so that no 4-bit code runs here.
    `device` is `cpu`, `cuda` or `mps`, by default what there is; `dtype` by default what suits it.
    """
    if base_form not in BASE_FORMS:
        raise JobError(f"`base_form` is `{base_form}`. Give one of {', '.join(BASE_FORMS)}.")
    folder = resolve_base(base, revision)
    device = device or default_device()
    dtype = dtype or working_dtype(folder, device)
    if base_form == "nf4-dequantised":
        # Quantised where that is known to work; the numbers are the same wherever they then answer.
        maker = device if device in FOUR_BIT_DEVICES else "cpu"
        model = _load(folder, maker, dtype, nf4(dtype)).dequantize()
        model = model if maker == device else model.to(device)
    else:
        model = _load(folder, device, dtype, None)
    model.requires_grad_(False)
    return model.eval(), load_tokenizer(folder)


def load_for_training(base: str, revision: str | None, quantization: str, device: str) -> tuple[Any, Any]:
    """Load a base for training: (model, tokenizer). `quantization` is `nf4` or `none`."""
    folder = resolve_base(base, revision)
    dtype = working_dtype(folder, device)
    if quantization == "nf4" and (problem := no_four_bit()):
        raise JobError(f"{problem} Set `quantization` to `none`: a plain LoRA is trained then.")
    model = _load(folder, device, dtype, nf4(dtype) if quantization == "nf4" else None)
    if quantization == "nf4":
        keep_gradients(model)
    return model, load_tokenizer(folder)


def load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer; JobError when it has no chat template. Pads on the left."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    if not tokenizer.chat_template:
        raise JobError(f"The base `{folder}` has no chat template. Choose an instruct or chat model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def nf4(dtype: torch.dtype) -> BitsAndBytesConfig:
    """NF4 with double quantisation, computing in `dtype`."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=torch.uint8,
    )


def keep_gradients(model: torch.nn.Module) -> None:
    """Keep 4-bit weights in the layout that has a backward pass.

    On CPUs with bf16 instructions the first forward pass in evaluation mode repacks the weights in place for speed,
    and the repacked product has no gradient: a validation during training would ruin all that follows in silence.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def default_device() -> str:
    """`cuda` where there is one, else `mps` (Apple's GPU) where there is one, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def working_dtype(folder: Path, device: str) -> torch.dtype:
    """What a base computes in: 32 bits where small, but for CUDA; else bf16 where the device is fast in it."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "mps":
        return torch.bfloat16 if parameters(base_shapes(folder)) > SMALL else torch.float32
    known = torch.cpu.get_capabilities()
    fast = any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fast and parameters(base_shapes(folder)) > SMALL else torch.float32


def _load(folder: Path, device: str, dtype: torch.dtype, quantization: BitsAndBytesConfig | None) -> Any:
    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        quantization_config=quantization,
        device_map={"": device},
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
