"""Training speed against a bare TRL script, in the same process, on a random model of the starter's size.

    python -m benchmarks.training [--steps 100] [--rounds 2]

Both load the base, tokenise, train and save. Prints tokens (padding not counted) a second and a CPU-second, the
ratio of each, and the peak memory of the process. On a busy machine the CPU-seconds are the ones to trust.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.tiny import TEXT, chat_row, make_tiny_model
from trainers import environment, sft
from trainers.job import Job, write_job

BATCH, RATE, RANK = 16, 3e-3, 16
Rows = list[dict[str, list[dict[str, str]]]]
Speed = tuple[float, float]


def make_rows(count: int, seed: int = 0) -> Rows:
    """Questions of 6 to 30 words with answers of 8 to 40, about as uneven as people's are."""
    chance, words = random.Random(seed), TEXT.split()
    return [
        chat_row(
            " ".join(chance.choices(words, k=chance.randint(6, 30))),
            " ".join(chance.choices(words, k=chance.randint(8, 40))),
        )
        for _ in range(count)
    ]


def bare(base: Path, rows: Rows, steps: int, folder: Path) -> float:
    """A QLoRA run as TRL's own documentation writes it; returns the tokens seen."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, BitsAndBytesConfig, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=str(base),
        args=SFTConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        ),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model()
    return float(next(row["num_tokens"] for row in reversed(trainer.state.log_history) if "num_tokens" in row))


def ours(base: Path, rows: Rows, steps: int, folder: Path) -> float:
    """The same run by `trainers.sft`; returns the tokens seen."""
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = Job(
        base=str(base),
        base_form="nf4-dequantised",
        dataset="d1",
        dataset_sha256="none",
        max_steps=steps,
        learning_rate=RATE,
        batch_size=BATCH,
        rank=RANK,
    )
    write_job(folder, job)
    if sft.run(folder) != 0:
        raise SystemExit("the run failed; its reason stands above")
    last: dict[str, Any] = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    return float(last["tokens"])


def measure(run: Callable[[Path, Rows, int, Path], float], base: Path, rows: Rows, steps: int, folder: Path) -> Speed:
    """Tokens per second and per CPU-second of one whole run."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = run(base, rows, steps, folder)
    speed = tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)
    print(f"{run.__name__}: {steps} steps, {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU-s")
    return speed


def main() -> None:
    """Alternate both so that a busy machine harms neither more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    environment.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        make_tiny_model(base, vocab=1024, hidden=256, layers=4, heads=4, key_value_heads=4, intermediate=640)
        rows = make_rows(400)
        speeds: dict[str, list[Speed]] = {"bare": [], "ours": []}
        bare(base, rows, 3, Path(scratch) / "warm-up")
        for turn in range(options.rounds):
            for run in (bare, ours):
                folder = Path(scratch) / f"{run.__name__}-{turn}"
                speeds[run.__name__].append(measure(run, base, rows, options.steps, folder))
    best = {name: [max(figures) for figures in zip(*values, strict=True)] for name, values in speeds.items()}
    for name, (wall, cpu) in best.items():
        print(f"{name}: {wall:.0f} tokens/s, {cpu:.0f} tokens/CPU-s")
    wall, cpu = (ours / bare for ours, bare in zip(best["ours"], best["bare"], strict=True))
    print(f"ratio {wall:.2f} by the clock, {cpu:.2f} by CPU-seconds (aim: at least 0.97)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
