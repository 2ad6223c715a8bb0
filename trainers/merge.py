"""`python -m trainers.merge FOLDER`: an adapter folded into its base, one plain model that answers alike.

Reads merge.json and prompts.jsonl (see `mergejob`); leaves model/, which any transformers program loads, or nothing.
The sum is taken in 32 bits on the base form the adapter was scored on, never on 4-bit weights, where rounding the sum
to 4 bits again can lose the adapter altogether. It is saved in bf16. Then it is read back and compared with the
un-merged form; when it does not answer alike, a small model is saved in 32 bits instead, and any other is refused.
Exit codes: 0 finished, 1 failed, 2 nothing to do here, 3 refused, 130 cancelled.
"""

import argparse
import copy
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainers import environment
from trainers.files import JobError, read_json, sync_file, sync_folder, write_json, write_manifest
from trainers.job import PROGRESS
from trainers.mergejob import (
    MODEL,
    PROMPTS,
    RECORD,
    TOKENIZER_FILE,
    UNLIKE,
    MergeJob,
    Parity,
    Record,
    model_files,
    read_merge,
    write_record,
)
from trainers.program import FAILED, Stop, conduct
from trainers.rows import read_rows

PARITY_REFUSED = 3
MOST_SHARD = "5GB"
GENERATION = "generation_config.json"


class Unlike(JobError):
    """The merged form does not answer as the one it was made of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.merge", description="Fold an adapter into its base.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder that holds merge.json")
    return run(parser.parse_args(arguments).folder)


def run(folder: Path) -> int:
    """Merge what merge.json of this folder asks; returns the exit code."""
    environment.prepare()
    unlike = False

    def work(stop: Stop) -> dict[str, str]:
        nonlocal unlike
        try:
            return _Merge(folder, stop).work()
        except Unlike:
            unlike = True
            raise

    code = conduct(folder, folder, work, again=True)
    return PARITY_REFUSED if code == FAILED and unlike else code


def merge(base: str, revision: str | None, base_form: str, adapter_dir: Path) -> tuple[Any, Any]:
    """The merged model in 32 bits on the CPU, and its tokenizer; JobError when the adapter does not fit the base."""
    live, tokenizer = load_live(base, revision, base_form, adapter_dir, "cpu")
    return live.merge_and_unload(safe_merge=True), tokenizer


def load_live(base: str, revision: str | None, base_form: str, adapter_dir: Path, device: str) -> tuple[Any, Any]:
    """The un-merged form in 32 bits, the adapter at work on it, and its tokenizer; JobError when they do not fit."""
    import torch
    from peft import PeftModel

    from trainers.adapter import check_adapter
    from trainers.base import load_base, resolve_base

    if problems := check_adapter(adapter_dir, resolve_base(base, revision)):
        raise JobError(f"The adapter `{adapter_dir}` cannot be merged: {'; '.join(problems[:3])}. Train it again.")
    model, tokenizer = load_base(base, revision, base_form, device, dtype=torch.float32)
    return PeftModel.from_pretrained(model, str(adapter_dir)).eval(), tokenizer


def save_merged(model: Any, base_dir: Path, folder: Path) -> None:
    """Save as a plain transformers model; tokenizer, chat template and generation settings are the base's own files."""
    from transformers import GenerationConfig

    own = model.generation_config
    if (base_dir / GENERATION).exists():
        # Some published ones do not pass the library's own check on saving; the file is carried over instead.
        model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id)
    model.save_pretrained(str(folder), max_shard_size=MOST_SHARD)
    model.generation_config = own
    for path in base_dir.iterdir():
        if TOKENIZER_FILE.fullmatch(path.name) or path.name == GENERATION:
            shutil.copyfile(path, folder / path.name)
    forget_places(folder)


def forget_places(folder: Path) -> None:
    """Take out of the settings where on some machine the model once lay."""
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).exists():
            given = read_json(folder / name)
            kept = {key: value for key, value in given.items() if key not in ("_name_or_path", "name_or_path")}
            if kept != given:
                write_json(folder / name, kept)


class _Merge:
    """One merge, from the request to the folder `model`."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        self._folder, self._stop = folder, stop
        self._beside, self._logits = folder / f".{MODEL}.new", folder / ".logits"
        self._job: MergeJob = read_merge(folder)
        self._done, self._total = 0, 0

    def work(self) -> dict[str, str]:
        """Merge and compare; returns facts for the outcome."""
        from trainers import base, parity

        shutil.rmtree(self._folder / MODEL, ignore_errors=True)
        self._clear()
        rows = read_rows(self._folder / PROMPTS, completions=False)
        self._total = 2 * len(rows)
        device = base.default_device()
        try:
            self._tell("loading the model")
            live, tokenizer = load_live(*self._standing(), self._folder / self._job.adapter, device)
            most = self._job.max_new_tokens
            known = parity.answers(live, tokenizer, rows, most, self._logits, self._stop, self._add("answering"))
            self._stop.check()
            tried = self._fitting(live.merge_and_unload(safe_merge=True), known)
            self._finish(tried)
        finally:
            self._clear()
        return {"device": environment.machine(device)}

    def _standing(self) -> tuple[str, str | None, str]:
        return self._job.base, self._job.revision, self._job.base_form

    def _fitting(self, merged: Any, known: Any) -> list[Parity]:
        """Save in the narrowest type that answers alike; what was tried, the one that lies on the disk last."""
        import torch

        from trainers.base import SMALL

        small = merged.num_parameters() <= SMALL
        tried: list[Parity] = []
        for dtype in (torch.bfloat16, torch.float32) if small else (torch.bfloat16,):
            # A large one is narrowed in place: there is no memory for both, and no second try.
            narrow = (copy.deepcopy(merged) if small else merged).to(dtype)
            tried.append(self._compared(narrow, known))
            if tried[-1].good:
                return tried
        told = " ".join(one.words() for one in tried)
        raise Unlike(f"{UNLIKE}, so it was thrown away. {told}")

    def _compared(self, model: Any, known: Any) -> Parity:
        from transformers import AutoModelForCausalLM

        from trainers import parity
        from trainers.base import resolve_base

        self._tell("saving")
        shutil.rmtree(self._beside, ignore_errors=True)
        self._beside.mkdir()
        device = model.device
        save_merged(model, resolve_base(self._job.base, self._job.revision), self._beside)
        del model
        read_back = AutoModelForCausalLM.from_pretrained(
            self._beside, device_map={"": device}, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        self._done = len(known)
        return parity.compare(read_back.eval(), known, self._stop, self._add("comparing"))

    def _finish(self, tried: list[Parity]) -> None:
        names = model_files(self._beside)
        record = Record(self._job.of, self._job.base_form, tried[-1], tried, environment.versions())
        write_record(self._beside, record)
        for name in names:
            sync_file(self._beside / name)
        write_manifest(self._beside, [*names, RECORD])
        self._stop.check()
        self._beside.rename(self._folder / MODEL)
        sync_folder(self._folder)
        print(tried[-1].words(), flush=True)

    def _clear(self) -> None:
        for left in (self._beside, self._logits):
            shutil.rmtree(left, ignore_errors=True)

    def _add(self, phase: str) -> Any:
        def add(count: int) -> None:
            self._done += count
            self._tell(phase)

        return add

    def _tell(self, phase: str) -> None:
        write_json(self._folder / PROGRESS, {"phase": phase, "done": self._done, "total": self._total})


if __name__ == "__main__":
    sys.exit(main())
