"""What happens between steps: figures are written down, validation and checkpoints fall due, a stop is heard."""

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainers.files import write_atomically
from trainers.job import METRICS, METRICS_FILE, read_metrics
from trainers.plan import Plan
from trainers.program import Stop, TrainingError

EVALUATIONS = 10
CHECKPOINTS = 5
CHECKPOINT_SECONDS = 60


class Pace(TrainerCallback):
    """Decides when to validate, when to save and when to stop."""

    def __init__(self, steps: int, stop: Stop, *, validate: bool) -> None:
        self._stop = stop
        self._evaluate_every = max(1, steps // EVALUATIONS) if validate else 0
        self._save_every = max(10, steps // CHECKPOINTS)
        self._saved = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        step, last = state.global_step, state.global_step >= state.max_steps
        control.should_evaluate = bool(self._evaluate_every) and (step % self._evaluate_every == 0 or last)
        due = step % self._save_every == 0 or time.monotonic() - self._saved > CHECKPOINT_SECONDS
        control.should_save = due and not last
        return self._heed(control, last)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        return self._heed(control, False)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        self._saved = time.monotonic()
        return control

    def _heed(self, control: TrainerControl, last: bool) -> TrainerControl:
        if not last and self._stop.requested():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        return control


class Record(TrainerCallback):
    """Writes metrics.jsonl, a row for each step, and a line for the reader of the log now and then.

    A figure that is not finite is written as null, named in `nonfinite`, and ends the run: the weights are lost, and
    going on would only hide it.
    """

    def __init__(self, run_dir: Path, plan: Plan, lengths: list[int]) -> None:
        self._run_dir, self._plan = run_dir, plan
        self._per_step = plan.batch_size * plan.accumulation
        self._tokens = [0]
        for index in plan.order:
            self._tokens.append(self._tokens[-1] + lengths[index])
        self._row: dict[str, Any] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        kept = [row for row in read_metrics(self._run_dir) if row["step"] <= state.global_step]
        lines = "".join(json.dumps(row) + "\n" for row in kept)
        write_atomically(self._run_dir / METRICS_FILE, lines.encode())
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._began = self._last = time.monotonic()
        self._last_tokens = self.tokens_at(state.global_step)
        where = f"step {state.global_step} of " if state.global_step else ""
        print(f"training: {where}{state.max_steps} steps", flush=True)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        if "loss" in logs:
            self._row = self._figures(state.global_step, logs)
            if not control.should_evaluate:
                self._write(state, args.learning_rate)
        elif "eval_loss" in logs and self._row is not None:
            self._row["eval_loss"] = logs["eval_loss"]
            self._write(state, args.learning_rate)

    def tokens_at(self, step: int) -> int:
        """Tokens seen after this many steps, padding not counted."""
        return self._tokens[min(step * self._per_step, len(self._plan.order))]

    def _figures(self, step: int, logs: dict[str, Any]) -> dict[str, Any]:
        now, tokens = time.monotonic(), self.tokens_at(step)
        row: dict[str, Any] = dict.fromkeys(METRICS)
        row |= {name: logs.get(name) for name in ("loss", "learning_rate", "grad_norm")}
        row |= {"step": step, "epoch": round(self._plan.epoch_at(step), 4), "tokens": tokens}
        row["tokens_per_second"] = round((tokens - self._last_tokens) / max(now - self._last, 1e-6), 1)
        row["seconds"] = round(self._before + now - self._began, 3)
        self._last, self._last_tokens = now, tokens
        return row

    def _write(self, state: TrainerState, rate: float) -> None:
        row, self._row = self._row, None
        assert row is not None
        # Validation took its time too, and the next step's speed should not be blamed for it.
        self._last = time.monotonic()
        bad = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
        words = {name: "NaN" if math.isnan(row[name]) else "infinite" for name in bad}
        for name in bad:
            row[name] = None
        if bad:
            row["nonfinite"] = bad
        with (self._run_dir / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if bad:
            raise TrainingError(
                f"The {bad[0]} became {words[bad[0]]} at step {row['step']}. Lower `learning_rate` (it is "
                f"{rate:g}) and start again."
            )
        if row["eval_loss"] is not None or row["step"] in (1, state.max_steps):
            self._tell(row, state.max_steps)

    def _tell(self, row: dict[str, Any], steps: int) -> None:
        held_out = "" if row["eval_loss"] is None else f"  validation {row['eval_loss']:.4f}"
        print(
            f"step {row['step']}/{steps}  loss {row['loss']:.4f}{held_out}  {row['tokens_per_second']:.0f} tokens/s",
            flush=True,
        )
