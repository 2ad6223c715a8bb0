"""Training speed against a bare TRL script, in the same process, on a random model of the starter's size.

    python -m benchmarks.training [--steps 100] [--rounds 2]

Prints tokens a second of both (padding not counted), their ratio, the seconds of a whole run and the peak memory.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.tiny import TEXT, chat_row, make_tiny_model
from trainers import environment, sft
from trainers.job import Job, write_job

BATCH, RATE, RANK = 16, 3e-3, 16
Rows = list[dict[str, list[dict[str, str]]]]


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
    """A QLoRA run as TRL's own documentation writes it; returns tokens per second of the loop."""
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
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    tokens = next(row["num_tokens"] for row in reversed(trainer.state.log_history) if "num_tokens" in row)
    return float(tokens / seconds)


def ours(base: Path, rows: Rows, steps: int, folder: Path) -> float:
    """The same run by `trainers.sft`; returns tokens per second of the loop."""
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
    return float(last["tokens"] / last["seconds"])


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
        speeds: dict[str, list[float]] = {"bare TRL": [], "trainers.sft": []}
        for turn in range(options.rounds):
            speeds["bare TRL"].append(bare(base, rows, options.steps, Path(scratch) / f"bare-{turn}"))
            began, cpu = time.perf_counter(), time.process_time()
            speeds["trainers.sft"].append(ours(base, rows, options.steps, Path(scratch) / f"ours-{turn}"))
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(f"round {turn + 1}: whole run of {options.steps} steps {wall:.1f} s, {cpu:.1f} CPU-s")
    for name, values in speeds.items():
        print(f"{name:13} {max(values):8.0f} tokens/s")
    print(f"ratio {max(speeds['trainers.sft']) / max(speeds['bare TRL']):.2f} (aim: at least 0.97)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
