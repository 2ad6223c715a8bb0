"""`python -m trainers.sft RUN_DIR`: supervised fine-tuning of a LoRA, QLoRA where the job says nf4.

Reads job.json, train.jsonl, validation.jsonl and the replay file; leaves metrics.jsonl, checkpoints/, adapter/,
MANIFEST.json and, last, outcome.json. The same job gives the same adapter, byte for byte, also when it was stopped and
resumed in between. Started again over a directory without a finished outcome, it goes on from the last checkpoint.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers import checkpoints, environment
from trainers.files import JobError, sha256_of
from trainers.job import ADAPTER, ADAPTER_FILES, CHECKPOINTS, METRICS_FILE, Job, read_job, write_manifest
from trainers.plan import Plan, by_length, draw
from trainers.program import Cancelled, Stop, TrainingError, conduct
from trainers.rows import Lesson, Row, read_rows, teach

MOST_VALIDATION = 256
"""Rows that the validation loss is taken on; more would cost time and tell no more."""
ALIKE = ("base", "revision", "method", "seed", "epochs", "max_steps", "learning_rate", "rank", "alpha", "batch_size")
ALIKE += ("accumulation", "max_length", "quantization")


@dataclass(frozen=True)
class Lessons:
    """All that a run learns from, in tokens."""

    train: list[Lesson]
    """By row index: the rows of train.jsonl, then the replay rows that the plan draws (others are never tokenised)."""
    validation: list[Lesson]
    plan: Plan
    settings: dict[str, Any]
    """What decides the result; a checkpoint is resumed only under the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.sft", description="Train a LoRA over a run directory.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder that holds job.json and train.jsonl")
    return run(parser.parse_args(arguments).run_dir)


def run(run_dir: Path) -> int:
    """Train over this directory; returns the exit code: 0 finished, 1 failed, 2 finished before, 130 cancelled."""
    environment.prepare()
    return conduct(run_dir, run_dir, lambda stop: train(run_dir, stop), again=False)


def train(run_dir: Path, stop: Stop) -> dict[str, str]:
    """Do the job of this directory; returns facts for the outcome."""
    from trainers import base

    job = read_job(run_dir)
    if job.method != "sft":
        raise JobError(f"`method` is `{job.method}`, and this program only does sft. Start another trainer.")
    device = base.default_device()
    lessons = prepare_lessons(run_dir, job, base.load_tokenizer(base.resolve_base(job.base, job.revision)))
    stop.check()
    folder = run_dir / CHECKPOINTS
    checkpoints.discard_incomplete(folder)
    point = checkpoints.starting_point(run_dir, folder, job.resume_from, lessons.settings)
    if point is not None:
        print(f"resuming from {point.name}", flush=True)
    trainer = build_trainer(run_dir, job, lessons, stop, device)
    try:
        trainer.train(resume_from_checkpoint=str(point) if point else None)
    except Exception:
        checkpoints.discard_incomplete(folder)
        raise
    if trainer.state.global_step < trainer.state.max_steps:
        raise Cancelled
    finish(run_dir, job, trainer)
    return {"device": environment.machine(device), "dtype": str(trainer.model.dtype).removeprefix("torch.")}


def prepare_lessons(run_dir: Path, job: Job, tokenizer: Any) -> Lessons:
    """Read, check and tokenise all rows, and lay out the run."""
    rows = read_rows(run_dir / "train.jsonl")
    if not rows:
        raise JobError("train.jsonl is empty. Approve at least one example and freeze the dataset again.")
    held_out = run_dir / "validation.jsonl"
    validation = read_rows(held_out) if held_out.exists() else []
    if len(validation) > MOST_VALIDATION:
        print(f"validation loss on the first {MOST_VALIDATION} of {len(validation)} rows", flush=True)
        validation = validation[:MOST_VALIDATION]
    share = job.replay.share if job.replay else 0.0
    replay_file = run_dir / job.replay.file if job.replay and share else None
    replay = read_rows(replay_file) if replay_file else []
    if replay_file and not replay:
        raise JobError(f"The replay file {replay_file} is empty. Give another file, or set `replay` to null.")
    lessons, plan = _lay_out(job, rows, replay, tokenizer)
    settings = {name: getattr(job, name) for name in ALIKE} | {"replay_share": share}
    settings["train_sha256"] = sha256_of(run_dir / "train.jsonl")
    settings["replay_sha256"] = sha256_of(replay_file) if replay_file else None
    fresh = plan.epoch_rows - len(rows)
    print(f"{len(rows)} rows, {fresh} replay rows an epoch, {len(validation)} held out", flush=True)
    watched = sorted(teach(validation, tokenizer, job.max_length), key=lambda lesson: len(lesson.input_ids))
    return Lessons(lessons, watched, plan, settings)


def _lay_out(job: Job, rows: list[Row], replay: list[Row], tokenizer: Any) -> tuple[list[Lesson], Plan]:
    """The order of the run, and the lessons it takes: of the replay rows only those that it draws."""
    plan = draw(
        len(rows),
        len(replay),
        job.replay.share if job.replay else 0.0,
        seed=job.seed,
        batch_size=job.batch_size,
        accumulation=job.accumulation,
        epochs=job.epochs,
        max_steps=job.max_steps,
    )
    taken = sorted({index for index in plan.order if index >= len(rows)})
    anew = {index: index for index in range(len(rows))} | {old: len(rows) + new for new, old in enumerate(taken)}
    plan = replace(plan, order=[anew[index] for index in plan.order])
    lessons = teach([*rows, *(replay[index - len(rows)] for index in taken)], tokenizer, job.max_length)
    return lessons, by_length(plan, [len(lesson.input_ids) for lesson in lessons], job.seed)


def build_trainer(run_dir: Path, job: Job, lessons: Lessons, stop: Stop, device: str) -> Any:
    """Load the base and put a fresh LoRA and the trainer around it."""
    from peft import LoraConfig
    from transformers import PrinterCallback

    from trainers.base import load_for_training
    from trainers.callbacks import Pace, Record
    from trainers.trainer import LoraTrainer

    model, tokenizer = load_for_training(job.base, job.revision, job.quantization, device)
    stop.check()
    lengths = [len(lesson.input_ids) for lesson in lessons.train]
    trainer = LoraTrainer(
        model=model,
        args=_arguments(run_dir, job, lessons.plan, device, half=str(model.dtype) == "torch.bfloat16"),
        train_dataset=_dataset(lessons.train).select(lessons.plan.order),
        eval_dataset=_dataset(lessons.validation) if lessons.validation else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=job.rank, lora_alpha=job.alpha, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0
        ),
        callbacks=[
            Pace(lessons.plan.steps, stop, validate=bool(lessons.validation)),
            Record(run_dir, lessons.plan, lengths),
        ],
        settings=lessons.settings,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def finish(run_dir: Path, job: Job, trainer: Any) -> None:
    """Save the adapter and list what the run made; TrainingError when its weights are not finite."""
    from trainers.adapter import save_adapter
    from trainers.trainer import finite

    if not finite(trainer.model):
        raise TrainingError("The trained weights are not finite. Lower `learning_rate` and start again.")
    save_adapter(trainer.model, run_dir / ADAPTER, job.base, job.revision)
    write_manifest(run_dir, [*(f"{ADAPTER}/{name}" for name in ADAPTER_FILES), METRICS_FILE])


def _dataset(lessons: list[Lesson]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict({"input_ids": [x.input_ids for x in lessons], "labels": [x.labels for x in lessons]})


def _arguments(run_dir: Path, job: Job, plan: Plan, device: str, *, half: bool) -> Any:
    from trl import SFTConfig

    on_gpu = device != "cpu"
    return SFTConfig(
        output_dir=str(run_dir / CHECKPOINTS),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch_size,
        per_device_eval_batch_size=plan.batch_size,
        gradient_accumulation_steps=plan.accumulation,
        learning_rate=job.learning_rate,
        lr_scheduler_type="cosine",
        seed=job.seed,
        # The rows come tokenised, checked and in their order; nothing is left to cut, drop or shuffle.
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
        max_length=None,
        logging_steps=1,
        # Without this a loss of NaN would be reported as 0.
        logging_nan_inf_filter=False,
        save_strategy="no",
        save_total_limit=2,
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not on_gpu,
        # On a CPU the weights' own type decides, without automatic casts.
        bf16=device == "cuda" and half,
        # It trades time for memory, a good bargain on a GPU alone.
        gradient_checkpointing=on_gpu,
        dataloader_pin_memory=device == "cuda",
    )


if __name__ == "__main__":
    sys.exit(main())
