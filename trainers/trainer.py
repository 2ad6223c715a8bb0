"""TRL's SFT trainer, mended: LM head on a CPU, checkpoints that say when they are whole, no files to spare."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from trl import SFTTrainer

from trainers import checkpoints

PLAIN_HEADS = frozenset(
    {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "SmolLM3ForCausalLM"}
)
"""Models whose logits are the head over the last hidden state and nothing else: no scaling, no capping."""


class LoraTrainer(SFTTrainer):
    """Trains the LoRA of a PeftModel on tokenised lessons, in the order given."""

    def __init__(self, *args: Any, settings: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        # TRL rounds a LoRA over a 4-bit base to bf16, yet a resumed one is read back in 32 bits. With 32 bits from
        # the start a resumed run ends in the very bytes of one that was never stopped.
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        inner = self.model.get_base_model()
        self._compact = (
            self.args.device.type == "cpu" and self.args.world_size == 1 and type(inner).__name__ in PLAIN_HEADS
        )

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean negative log-likelihood of the labelled tokens.

        On a CPU the LM head is applied to those tokens alone: the prompt's logits would be thrown away, and over a
        large vocabulary they cost more than the model. On a GPU TRL's own fused head does as much.
        """
        if not self._compact or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inner = model.get_base_model()
        labels = inputs["labels"][:, 1:]
        body = {name: value for name, value in inputs.items() if name != "labels"}
        hidden = inner.model(**body, use_cache=False).last_hidden_state[:, :-1]
        learnt = labels != -100
        logits = inner.lm_head(hidden[learnt]).float()
        total = F.cross_entropy(logits, labels[learnt], reduction="sum")
        count = learnt.sum() if num_items_in_batch is None else num_items_in_batch
        return total / torch.as_tensor(count).clamp(min=1)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: a card belongs to what is published."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(str(folder), save_embedding_layers=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        checkpoints.complete(folder, self._settings)


def finite(model: torch.nn.Module) -> bool:
    """Whether all trained weights are finite."""
    return all(bool(torch.isfinite(p).all()) for p in model.parameters() if p.requires_grad)
