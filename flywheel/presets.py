"""What a run is told to do: a preset for the base, a person's overrides, checked into one job.

Knows no files and no process. The trainers own what a job means and which values it may have; here is only which of
them a person may set, and what follows from them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flywheel.base_model import BaseModel
from flywheel.errors import InvalidInput
from flywheel.words.below import words_of
from flywheel.words.catalogue import say
from trainers.job import Job, JobError, Replay, preset
from trainers.weights import no_four_bit

REPLAY_FILE = "replay.jsonl"
REPLAY_SHARE = 0.92
"""Measured on the starter: without replay it forgets half of what it knew; at 0.75 one seed of two lost a point."""

KINDS: dict[str, type] = {
    "seed": int,
    "epochs": float,
    "max_steps": int,
    "learning_rate": float,
    "rank": int,
    "alpha": float,
    "batch_size": int,
    "accumulation": int,
    "max_length": int,
    "replay_share": float,
    "quantization": str,
}
"""What `--set` takes, and of which kind."""
INSTEAD_OF = {"epochs": "max_steps", "max_steps": "epochs"}


def plan(
    base: BaseModel,
    *,
    dataset: str,
    dataset_sha256: str,
    method: str,
    name: str,
    overrides: Mapping[str, object],
    four_bit_problem: str | None = None,
) -> Job:
    """The job of a preset with overrides. Raises InvalidInput that names the key and its value.

    `four_bit_problem` is why 4-bit weights cannot be had (empty: they can; None: find out). A plain LoRA is planned
    then, unless 4 bits were asked for by name.
    """
    if method != "sft":
        raise InvalidInput(say("error.run.no_method", method=method))
    values = _checked(overrides)
    try:
        fields: dict[str, Any] = preset(name, starter=base.is_starter)
        for key in values:
            fields.pop(INSTEAD_OF.get(key, ""), None)
        share = values.pop("replay_share", REPLAY_SHARE if base.is_starter else 0.0)
        problem = no_four_bit() if four_bit_problem is None else four_bit_problem
        if problem and values.get("quantization") == "nf4":
            raise InvalidInput(say("error.run.no_quantization", problem=problem))
        fields |= {"quantization": "none", **values} if problem else values
        quantised = fields.setdefault("quantization", "nf4") != "none"
        return Job(
            base=base.location,
            revision=base.revision,
            base_form="nf4-dequantised" if quantised else "full",
            dataset=dataset,
            dataset_sha256=dataset_sha256,
            method=method,
            replay=_replay(base, share),
            **fields,
        )
    except JobError as error:
        raise InvalidInput(words_of(error)) from error


def limits() -> str:
    """What a run cannot have on this machine, and what is done instead; empty where there is nothing to say."""
    problem = no_four_bit()
    return say("train.plain_lora", problem=problem) if problem else ""


def recorded(job: Job) -> dict[str, Any]:
    """The job as the store keeps it with the run."""
    return {key: value for key, value in asdict(job).items() if key not in ("libraries", "resume_from")}


def _checked(overrides: Mapping[str, object]) -> dict[str, Any]:
    if "epochs" in overrides and "max_steps" in overrides:
        raise InvalidInput(say("error.run.epochs_and_steps"))
    return {key: _value(key, given) for key, given in overrides.items()}


def _value(key: str, given: object) -> Any:
    if key not in KINDS:
        raise InvalidInput(say("error.run.no_setting", name=key, known=", ".join(KINDS)))
    kind = KINDS[key]
    if kind is str:
        return str(given)
    try:
        return kind(str(given).strip())
    except ValueError as error:
        bad = "bad_count" if kind is int else "bad_number"
        raise InvalidInput(say(f"error.run.{bad}", name=key, value=given)) from error


def _replay(base: BaseModel, share: float) -> Replay | None:
    if base.is_starter:
        return Replay(REPLAY_FILE, share)
    if share:
        raise InvalidInput(say("error.run.no_replay", share=f"{share:g}"))
    return None
