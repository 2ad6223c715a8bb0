"""The one place of the trainers that touches the process's environment: no network, no telemetry, no noise.

Call `prepare()` before a model library is imported: they read these variables once, at import.
"""

import importlib.metadata
import logging
import os
import platform
import sys
import warnings

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

HARMLESS = (
    # torch, said at the import of torchvision-free quantisation helpers; nothing of ours uses torch.jit.
    (r"`torch\.jit\.\w+` is deprecated", DeprecationWarning),
    # transformers renames an option whose old name TRL's own defaults still set.
    (r"`(is_)?gradient_checkpointing` is deprecated", FutureWarning),
)

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers")


def prepare() -> None:
    """Make this process a trainer: offline, one visible device unless a launcher shares them out, quiet libraries."""
    os.environ.update(OFFLINE)
    if "LOCAL_RANK" not in os.environ:
        # TRL refuses several visible GPUs without a launcher.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]
    silence()
    # Gradients that stop at an operator are worth no more than a crash, and cost more.
    warnings.filterwarnings("error", message=r".*an autograd kernel was not registered")


def silence() -> None:
    """Filter the warnings known to be harmless, and no others."""
    for message, category in HARMLESS:
        warnings.filterwarnings("ignore", message=message, category=category)
    # bitsandbytes looks for an optional kernel package that it would have to fetch from the network.
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
    # Weights written out from their 4-bit codes are what was asked for.
    logging.getLogger("transformers.integrations.bitsandbytes").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("The modules are dequantized")


def versions() -> dict[str, str]:
    """Installed versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        found[name] = importlib.metadata.version(name)
    return found


def machine(device: str) -> str:
    """The kind of device in words, for the record."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return (
        f"{platform.machine()} GPU, {sys.platform}" if device == "mps" else f"{platform.machine()} CPU, {sys.platform}"
    )
