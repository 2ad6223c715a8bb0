"""Trains the starter from nothing: `python -m starter.train --out DIR`, one thread, under an hour.

Every step draws fresh questions; nothing is seen twice but by chance. The loss is on the answer and its end token
alone. Writes `DIR/checkpoint-N/` (loadable by transformers) on the way and the final model to DIR itself.
"""

import argparse
import json
import math
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from starter import init, paths, questions, tokenizer

WIDTH, LAYERS, HEADS, HEAD, INNER = 256, 4, 4, 64, 512
BATCH = 64
MUON_RATE, ADAM_RATE = 0.012, 0.003
REPEAT_SHARE = 0.06
"""Rows that only ask to repeat random tokens: they keep the copying heads at work."""
IGNORED = -100
BUFFER = 16
"""Batches drawn together and sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Batch:
    """`ids` and `labels`, both [rows, length]; positions without a loss hold `IGNORED` in `labels`."""

    ids: torch.Tensor
    labels: torch.Tensor


class Rows:
    """Endless batches of fresh rows, right-padded, the lengths within a batch alike."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.words = AutoTokenizer.from_pretrained(folder)
        self.rng = random.Random(seed)
        self.waiting: list[Batch] = []

    def next(self) -> Batch:
        if not self.waiting:
            rows = sorted((self._row() for _ in range(BATCH * BUFFER)), key=lambda row: len(row[0]) + len(row[1]))
            self.waiting = [self._stack(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)]
            self.rng.shuffle(self.waiting)
        return self.waiting.pop()

    def _row(self) -> tuple[list[int], list[int]]:
        if self.rng.random() < REPEAT_SHARE:
            first = len(tokenizer.SPECIAL) + 40
            text = [self.rng.randrange(first, len(self.words)) for _ in range(self.rng.randrange(3, 14))]
            before, after = self.words.encode(tokenizer.render_prompt("= \0")), self.words.encode("\0")
            cut = before.index(after[0])
            return before[:cut] + text + before[cut + 1 :], [*text, self.words.eos_token_id]
        item = None
        while item is None:
            item = questions.sample(self.rng)
        prompt = self.words.encode(tokenizer.render_prompt(item.question))
        return prompt, [*self.words.encode(item.answer), self.words.eos_token_id]

    def _stack(self, rows: list[tuple[list[int], list[int]]]) -> Batch:
        longest = max(len(prompt) + len(answer) for prompt, answer in rows)
        ids = torch.full((len(rows), longest), self.words.pad_token_id)
        labels = torch.full((len(rows), longest), IGNORED)
        for i, (prompt, answer) in enumerate(rows):
            ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[i, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        return Batch(ids, labels)


def new_model(vocabulary: int, eos: int, pad: int, seed: int) -> LlamaForCausalLM:
    """A fresh model with the structured initial weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        intermediate_size=INNER,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD,
        tie_word_embeddings=True,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    model = LlamaForCausalLM(config)
    init.apply(model, seed)
    return model


def loss_of(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over the answers' tokens. Right padding needs no mask: nothing looks ahead."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(batch.ids).last_hidden_state[:, :-1]
        targets = batch.labels[:, 1:]
        chosen = targets != IGNORED
        logits = model.lm_head(hidden[chosen])
    return torch.nn.functional.cross_entropy(logits.float(), targets[chosen])


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01),
        torch.optim.AdamW(others, lr=ADAM_RATE, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def share_of_rate(done: float, hold: float) -> float:
    """The factor on both rates when `done` of the training (0 to 1) lies behind: 1 up to `hold`, then falling to 0."""
    return 1.0 if done < hold else (1.0 - done) / (1.0 - hold)


def save(model: LlamaForCausalLM, words: object, folder: Path) -> None:
    """Weights in bfloat16 with all that transformers needs to load them; training goes on in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(state)
    copy.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        max_new_tokens=160,
    )
    copy.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        source = Path(words.name_or_path) / name  # type: ignore[attr-defined]
        if source.resolve() != (folder / name).resolve():
            shutil.copy(source, folder / name)


def train(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = Rows(arguments.tokenizer, arguments.seed)
    words = rows.words
    model = new_model(len(words), words.eos_token_id, words.pad_token_id, arguments.seed)
    if arguments.start:
        model = LlamaForCausalLM.from_pretrained(arguments.start, dtype=torch.float32)
    optimizer_list = optimizers(model)
    base_rates = [group["lr"] * arguments.rate for optimizer in optimizer_list for group in optimizer.param_groups]
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = (arguments.out / "metrics.jsonl").open("a", encoding="utf-8")
    began, cpu, tokens, recent, saved = time.monotonic(), time.process_time(), 0, [], time.monotonic()
    for step in range(arguments.steps):
        rate = share_of_rate(step / arguments.steps, arguments.hold)
        groups = [group for optimizer in optimizer_list for group in optimizer.param_groups]
        for group, base in zip(groups, base_rates, strict=True):
            group["lr"] = base * rate
        batch = rows.next()
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizer_list:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens += int((batch.ids != words.pad_token_id).sum())
        recent.append(loss.item())
        if not math.isfinite(recent[-1]):
            raise SystemExit(f"The loss became {recent[-1]} at step {step}. Lower --rate and start again.")
        if (step + 1) % 25 == 0:
            seconds, spent = time.monotonic() - began, time.process_time() - cpu
            record = {
                "step": step + 1,
                "loss": round(sum(recent) / len(recent), 4),
                "rate": round(rate, 3),
                "tokens": tokens,
            }
            print(json.dumps(record | {"seconds": round(seconds), "cpu_seconds": round(spent)}), file=log, flush=True)
            recent = []
        if time.monotonic() - saved > arguments.every * 60:
            save(model, words, arguments.out / f"checkpoint-{step + 1}")
            saved = time.monotonic()
    save(model, words, arguments.out)
    log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter model from nothing on one CPU thread.")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the final model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--every", type=float, default=5.0, help="minutes between checkpoints (default: %(default)s)")
    parser.add_argument("--tokenizer", type=Path, default=paths.MODEL_DIR, help="folder with the trained tokenizer")
    parser.add_argument("--start", type=Path, help="go on from this model instead of fresh weights")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rates")
    parser.add_argument("--hold", type=float, default=0.4, help="share of the steps at the full rate, before it falls")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
